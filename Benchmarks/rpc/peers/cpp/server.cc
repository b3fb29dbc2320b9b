// The same service in gRPC C++, with the callback API, as its documentation shows it.
//
//   server PORT [CERTIFICATE KEY]      (0: any; prints the port)
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "handoff/test/v1/echo.grpc.pb.h"

using handoff::test::v1::EchoRequest;
using handoff::test::v1::EchoResponse;

// Sends the payload `count` times.
class Repeater : public grpc::ServerWriteReactor<EchoResponse> {
 public:
  explicit Repeater(const EchoRequest *request) : left_(request->count()) {
    response_.set_payload(request->payload());
    Next();
  }
  void OnWriteDone(bool ok) override { ok ? Next() : Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (left_-- > 0) {
      StartWrite(&response_);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  int left_;
  EchoResponse response_;
};

// Counts the requests.
class Collector : public grpc::ServerReadReactor<EchoRequest> {
 public:
  explicit Collector(EchoResponse *response) : response_(response) { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) {
      response_->set_index(count_);
      return Finish(grpc::Status::OK);
    }
    count_++;
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  int count_ = 0;
  EchoRequest request_;
  EchoResponse *response_;
};

class EchoService : public handoff::test::v1::EchoService::CallbackService {
  grpc::ServerUnaryReactor *Echo(grpc::CallbackServerContext *context, const EchoRequest *request,
                                 EchoResponse *response) override {
    response->set_text(request->text());
    auto *reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerWriteReactor<EchoResponse> *Repeat(grpc::CallbackServerContext *, const EchoRequest *request) override {
    return new Repeater(request);
  }
  grpc::ServerReadReactor<EchoRequest> *Collect(grpc::CallbackServerContext *, EchoResponse *response) override {
    return new Collector(response);
  }
};

static std::string Read(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int main(int argc, char **argv) {
  auto credentials = grpc::InsecureServerCredentials();
  if (argc == 4) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({Read(argv[3]), Read(argv[2])});
    credentials = grpc::SslServerCredentials(options);
  }
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  std::string address = "127.0.0.1:" + std::string(argc > 1 ? argv[1] : "0");
  builder.AddListeningPort(address, credentials, &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::cout << port << std::endl;
  server->Wait();
}
