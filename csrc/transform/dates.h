// Parts of dates, in the proleptic Gregorian calendar and in UTC, without leap seconds.
#ifndef PENSTOCK_TRANSFORM_DATES_H_
#define PENSTOCK_TRANSFORM_DATES_H_

#include <cstdint>

#include "transform/program.h"

namespace penstock {

struct Date {
  int64_t year;
  int32_t month;        // 1..12
  int32_t day;          // 1..31
  int32_t day_of_year;  // 1..366
};

// `days` since 1970-01-01, any that an int64_t of seconds can reach.
Date date_of(int64_t days);

// A part of a time since 1970-01-01 in a unit. kHour, kMinute and kSecond are whole and 0 for days;
// kEpochSeconds and kEpochDays round down.
int64_t date_part(int64_t time, TimeUnit unit, DatePart part);

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_DATES_H_
