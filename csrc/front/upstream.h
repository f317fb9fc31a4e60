// The way to the control plane: one HTTP/2 connection over a Unix socket, shared by the streams of a loop.
//
// Flow control is passed through per stream: bytes are acknowledged to the side that sent them when the other
// side has taken them. The shared connection window is always replenished, so a slow stream holds up no
// other.
#ifndef PENSTOCK_FRONT_UPSTREAM_H_
#define PENSTOCK_FRONT_UPSTREAM_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "front/connection.h"

namespace penstock {

// Made and used by one loop. Connects when first needed, and again after the control plane went away.
class Upstream : public EventHandler {
 public:
  Upstream(Loop* loop, std::string path);
  ~Upstream() override;

  void on_events(uint32_t events) override;
  void flush();

  // Opens the control plane's half of a stream whose request headers are complete. False when the control
  // plane cannot be reached.
  bool open(Stream* stream);
  // The client sent more, or ended.
  void resume(Stream* stream);
  // The client took `bytes` of the answer.
  void consumed(Stream* stream, size_t bytes);
  // The client's half is gone: cancels the call and forgets the stream.
  void abandon(Stream* stream);

  bool dirty = false;

 private:
  friend struct ClientCallbacks;

  bool connect();
  void disconnect();
  void read();
  void watch(bool writable);
  Stream* find(int32_t id) const;

  Loop* const loop_;
  const std::string path_;
  int fd_ = -1;
  nghttp2_session* session_ = nullptr;
  bool broken_ = false;
  bool watching_write_ = false;
  std::string unsent_;
  size_t unsent_offset_ = 0;
  std::unordered_map<int32_t, Stream*> streams_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_UPSTREAM_H_
