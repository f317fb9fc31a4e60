#include "transform/dates.h"

#include "transform/step.h"

namespace penstock {
namespace {

constexpr int64_t kSecondsOfDay = 86400;

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - (a % b < 0);
}

int64_t units_of_second(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kMilliseconds:
      return 1'000;
    case TimeUnit::kMicroseconds:
      return 1'000'000;
    case TimeUnit::kNanoseconds:
      return 1'000'000'000;
    default:
      return 1;
  }
}

// Monday is 0; 1970-01-01 was a Thursday.
int64_t day_of_week(int64_t days) {
  const int64_t day = (days % 7 + 3) % 7;
  return day < 0 ? day + 7 : day;
}

// The week with the year's first Thursday is the first.
int64_t iso_week(int64_t days) {
  const Date thursday = date_of(days - day_of_week(days) + 3);
  return (thursday.day_of_year - 1) / 7 + 1;
}

template <typename T>
void date_part_of(const Step& step, Block* block) {
  const auto part = static_cast<DatePart>(step.integers[0]);
  const auto unit = static_cast<TimeUnit>(step.integers[1]);
  const int64_t* in = block->at<int64_t>(step.src[0]);
  T* out = block->at<T>(step.dst);
  // Days may be beyond what seconds reach; no calendar is.
  const int64_t most = unit == TimeUnit::kDays ? std::numeric_limits<int64_t>::max() / kSecondsOfDay
                                               : std::numeric_limits<int64_t>::max();
  for (int64_t i = 0; i < block->rows; ++i) {
    out[i] = in[i] < -most || in[i] > most ? missing_value<T>() : convert<T>(date_part(in[i], unit, part));
  }
}

}  // namespace

Date date_of(int64_t days) {
  // Years begin in March here, so that the leap day is the last; eras are of 400 years.
  constexpr int64_t kEraDays = 146097;
  const int64_t shifted = days + 719468;  // since 0000-03-01
  const int64_t era = floor_divide(shifted, kEraDays);
  const auto day = static_cast<int32_t>(shifted - era * kEraDays);             // 0..146096
  const int32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;  // 0..399
  const int32_t of_year = day - (365 * year + year / 4 - year / 100);          // 0..365
  const int32_t shifted_month = (5 * of_year + 2) / 153;                       // 0 is March
  const int32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  Date date;
  date.year = era * 400 + year + (month <= 2);
  date.month = month;
  date.day = of_year - (153 * shifted_month + 2) / 5 + 1;
  const bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  date.day_of_year = month <= 2 ? of_year - 305 : of_year + 60 + leap;
  return date;
}

int64_t date_part(int64_t time, TimeUnit unit, DatePart part) {
  int64_t days = time, of_day = 0;
  if (unit != TimeUnit::kDays) {
    const int64_t seconds = floor_divide(time, units_of_second(unit));
    if (part == DatePart::kEpochSeconds) return seconds;
    days = floor_divide(seconds, kSecondsOfDay);
    of_day = seconds - days * kSecondsOfDay;
  }
  switch (part) {
    case DatePart::kYear:
      return date_of(days).year;
    case DatePart::kQuarter:
      return (date_of(days).month + 2) / 3;
    case DatePart::kMonth:
      return date_of(days).month;
    case DatePart::kDay:
      return date_of(days).day;
    case DatePart::kDayOfWeek:
      return day_of_week(days);
    case DatePart::kDayOfYear:
      return date_of(days).day_of_year;
    case DatePart::kWeek:
      return iso_week(days);
    case DatePart::kHour:
      return of_day / 3600;
    case DatePart::kMinute:
      return of_day / 60 % 60;
    case DatePart::kSecond:
      return of_day % 60;
    case DatePart::kIsWeekend:
      return day_of_week(days) >= 5;
    case DatePart::kEpochSeconds:
      return days * kSecondsOfDay;
    case DatePart::kEpochDays:
      return days;
  }
  return 0;
}

Kernel date_kernel(const Instruction&, Kind dst) {
  switch (dst) {
    case Kind::kFloat:
      return date_part_of<float>;
    case Kind::kDouble:
      return date_part_of<double>;
    case Kind::kInt:
      return date_part_of<int64_t>;
    case Kind::kCode:
      return date_part_of<int32_t>;
    default:
      return nullptr;
  }
}

}  // namespace penstock
