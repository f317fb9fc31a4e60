#include "front/server_session.h"

#include <memory>

#include "front/connection.h"

namespace penstock {

// nghttp2's view of a connection.
struct ServerCallbacks {
  static Connection* self(void* user) { return static_cast<Connection*>(user); }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self(user)->open_stream(frame->hd.stream_id);
    }
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Connection* connection = self(user);
    Stream* stream = connection->find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    return connection->on_header(stream, {reinterpret_cast<const char*>(name), name_size},
                                 {reinterpret_cast<const char*>(value), value_size});
  }

  static int data_chunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                        void* user) {
    Connection* connection = self(user);
    if (Stream* stream = connection->find(id)) {
      connection->on_data(stream, {reinterpret_cast<const char*>(data), size});
    } else {
      nghttp2_session_consume_connection(session, size);
    }
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Connection* connection = self(user);
    const uint8_t type = frame->hd.type;
    if (type == NGHTTP2_SETTINGS) {
      connection->greeted_ = true;
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) connection->on_ping();
      return 0;
    }
    if (type == NGHTTP2_PING) {
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) connection->on_ping();
      return 0;
    }
    if (type == NGHTTP2_RST_STREAM) {
      connection->on_reset_by_client();
      return 0;
    }
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return 0;
    Stream* stream = connection->find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (type == NGHTTP2_HEADERS && stream->kind == Stream::Kind::kHeaders) {
      connection->on_request(stream, ended);
    } else if (ended) {
      connection->on_end(stream);
    }
    return 0;
  }

  // An answer that was complete before the request was: the rest of the request is not wanted.
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    const bool last = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (last && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    Connection* connection = self(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (Stream* stream = connection->find(frame->hd.stream_id)) connection->on_unsent(stream);
    return 0;
  }

  static int stream_closed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    Connection* connection = self(user);
    if (Stream* stream = connection->find(id)) connection->close_stream(stream);
    return 0;
  }

  static ssize_t read_data(nghttp2_session*, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                           void* user) {
    Connection* connection = self(user);
    Stream* stream = connection->find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return static_cast<ssize_t>(connection->read_response(stream, buffer, size, flags));
  }
};

ssize_t read_server_data(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                         nghttp2_data_source*, void* connection) {
  return ServerCallbacks::read_data(session, id, buffer, size, flags, connection);
}

namespace {

using Callbacks = std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
using Option = std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)>;

Callbacks make_callbacks() {
  nghttp2_session_callbacks* raw = nullptr;
  nghttp2_session_callbacks_new(&raw);
  nghttp2_session_callbacks_set_on_begin_headers_callback(raw, ServerCallbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(raw, ServerCallbacks::header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw, ServerCallbacks::data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(raw, ServerCallbacks::frame_received);
  nghttp2_session_callbacks_set_on_frame_send_callback(raw, ServerCallbacks::frame_sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(raw, ServerCallbacks::frame_not_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(raw, ServerCallbacks::stream_closed);
  return {raw, nghttp2_session_callbacks_del};
}

Option make_option() {
  nghttp2_option* raw = nullptr;
  nghttp2_option_new(&raw);
  nghttp2_option_set_no_auto_window_update(raw, 1);
  nghttp2_option_set_no_closed_streams(raw, 1);
  nghttp2_option_set_max_outbound_ack(raw, 1000);
#ifdef PENSTOCK_NGHTTP2_RESET_LIMIT
  // The connection counts resets itself, and lets a client that works do more of them.
  nghttp2_option_set_stream_reset_rate_limit(raw, 100'000, 10'000);
#endif
#ifdef PENSTOCK_NGHTTP2_CONTINUATIONS
  nghttp2_option_set_max_continuations(raw, 8);
#endif
  return {raw, nghttp2_option_del};
}

}  // namespace

nghttp2_session* new_server_session(Connection* connection, const FrontSettings& settings,
                                    SessionMemory* memory) {
  static const Callbacks callbacks = make_callbacks();
  static const Option option = make_option();
  nghttp2_session* session = nullptr;
  if (nghttp2_session_server_new3(&session, callbacks.get(), connection, option.get(), memory->functions()) !=
      0)
    return nullptr;
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(settings.max_header_bytes)},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, 3);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  return session;
}

}  // namespace penstock
