// A request that came from Python. Its answers call back with the ticket that it was made with; the callbacks
// take the GIL themselves. Deletes itself after its answer.
#ifndef PENSTOCK_QUEUE_PYTHON_REQUEST_H_
#define PENSTOCK_QUEUE_PYTHON_REQUEST_H_

#include <string>
#include <string_view>

#include "queue/request.h"

namespace penstock {

class PythonRequest : public Request {
 public:
  using Deliver = void (*)(void* ticket, PythonRequest* request, const BatchOutputs& outputs,
                           int64_t first_row);
  using Fail = void (*)(void* ticket, const Status& status);

  PythonRequest(void* ticket, Deliver deliver, Fail fail) : ticket_(ticket), deliver_(deliver), fail_(fail) {}

  void deliver(const BatchOutputs& outputs, int64_t first_row) override {
    deliver_(ticket_, this, outputs, first_row);
    delete this;
  }
  void fail(const Status& status) override {
    fail_(ticket_, status);
    delete this;
  }
  bool needs_gil() const override { return true; }
  std::string_view client_id() const override { return id; }

  std::string id;  // set before it is submitted

 private:
  void* const ticket_;
  const Deliver deliver_;
  const Fail fail_;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_PYTHON_REQUEST_H_
