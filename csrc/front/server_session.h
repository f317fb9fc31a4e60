// The nghttp2 session of a client connection: limits, settings and callbacks.
#ifndef PENSTOCK_FRONT_SERVER_SESSION_H_
#define PENSTOCK_FRONT_SERVER_SESSION_H_

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

#include "front/session_memory.h"
#include "front/settings.h"

namespace penstock {

class Connection;

// A new session with its SETTINGS submitted; null when there is no memory.
nghttp2_session* new_server_session(Connection* connection, const FrontSettings& settings,
                                    SessionMemory* memory);

// Data source of every answer.
ssize_t read_server_data(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                         nghttp2_data_source* source, void* connection);

// Windows that let a large tensor through without waiting for round trips.
inline constexpr int32_t kStreamWindow = 1 << 20;
inline constexpr int32_t kConnectionWindow = 16 << 20;

}  // namespace penstock

#endif  // PENSTOCK_FRONT_SERVER_SESSION_H_
