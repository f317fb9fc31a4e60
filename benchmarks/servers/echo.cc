// The empty gRPC C++ server on the callback API: it answers each unary call with its own bytes.
//
//   echo unary|generic [HOST:PORT]
//
// "unary" is what the protobuf plugin generates as a raw callback service, for the method ModelInfer alone;
// "generic" answers any method. Neither parses the message. Prints "echo ready grpc=HOST:PORT" when it
// listens; SIGTERM ends it.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#if __has_include(<grpcpp/impl/codegen/server_callback_handlers.h>)
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#else
#include <grpcpp/impl/server_callback_handlers.h>
#endif
#if __has_include(<grpcpp/impl/codegen/service_type.h>)
#include <grpcpp/impl/codegen/service_type.h>
#else
#include <grpcpp/impl/service_type.h>
#endif

#include <chrono>
#include <cstdio>
#include <string>

namespace {

constexpr char kPath[] = "/inference.GRPCInferenceService/ModelInfer";

grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                 grpc::ByteBuffer* response) {
  *response = *request;
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

class UnaryEcho : public grpc::Service {
 public:
  UnaryEcho() {
    using grpc::internal::RpcMethod;
    using Handler = grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>;
    AddMethod(new grpc::internal::RpcServiceMethod(kPath, RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodRawCallback(0, new Handler(answer));
  }
};

class GenericEcho : public grpc::CallbackGenericService {
 private:
  class Reactor : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() { StartRead(&message_); }

    void OnReadDone(bool ok) override {
      if (ok) {
        StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
      } else {
        Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no message"));
      }
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer message_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Reactor;
  }
};

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc > 1 ? argv[1] : "unary";
  const std::string address = argc > 2 ? argv[2] : "127.0.0.1:0";
  sigset_t termination;
  sigemptyset(&termination);
  sigaddset(&termination, SIGTERM);
  sigaddset(&termination, SIGINT);
  pthread_sigmask(SIG_BLOCK, &termination, nullptr);

  UnaryEcho unary;
  GenericEcho generic;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  if (kind == "generic") {
    builder.RegisterCallbackGenericService(&generic);
  } else {
    builder.RegisterService(&unary);
  }
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("echo ready grpc=%s:%d\n", address.substr(0, address.rfind(':')).c_str(), port);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&termination, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}
