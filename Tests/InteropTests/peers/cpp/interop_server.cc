// grpc.testing.TestService in gRPC C++, as gRPC's interoperability tests describe it.
//
//   interop_server [CERTIFICATE KEY]      serves on a free port of 127.0.0.1, which it prints; ends with its input
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"
#include "message_flags.h"

using namespace grpc::testing;
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

static const char kEchoInitial[] = "x-grpc-test-echo-initial";
static const char kEchoTrailing[] = "x-grpc-test-echo-trailing-bin";

static std::string Text(grpc::string_ref ref) { return std::string(ref.data(), ref.size()); }

static void EchoMetadata(ServerContext *context) {
  const auto &received = context->client_metadata();
  auto initial = received.find(kEchoInitial);
  if (initial != received.end()) context->AddInitialMetadata(kEchoInitial, Text(initial->second));
  auto trailing = received.find(kEchoTrailing);
  if (trailing != received.end()) context->AddTrailingMetadata(kEchoTrailing, Text(trailing->second));
}

static bool IsAsExpected(ServerContext *context, bool has, bool is_compressed) {
  return !has || InteropServerContextInspector::WasCompressed(*context) == is_compressed;
}

static Status Unexpected() {
  return Status(StatusCode::INVALID_ARGUMENT, "the message is compressed, or is not, unlike expected");
}

class Service : public TestService::Service {
  Status EmptyCall(ServerContext *context, const Empty *, Empty *) override {
    EchoMetadata(context);
    return Status::OK;
  }

  Status UnaryCall(ServerContext *context, const SimpleRequest *request, SimpleResponse *response) override {
    if (!IsAsExpected(context, request->has_expect_compressed(), request->expect_compressed().value())) {
      return Unexpected();
    }
    EchoMetadata(context);
    if (request->response_compressed().value()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    if (request->has_response_status()) return Echo(request->response_status());
    response->mutable_payload()->set_body(std::string(request->response_size(), '\0'));
    return Status::OK;
  }

  Status CacheableUnaryCall(ServerContext *context, const SimpleRequest *request, SimpleResponse *response) override {
    return UnaryCall(context, request, response);
  }

  Status StreamingOutputCall(ServerContext *context, const StreamingOutputCallRequest *request,
                             grpc::ServerWriter<StreamingOutputCallResponse> *writer) override {
    EchoMetadata(context);
    for (const auto &parameters : request->response_parameters()) {
      if (parameters.has_compressed()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    }
    if (!Respond(*request, writer)) return Status::CANCELLED;
    return request->has_response_status() ? Echo(request->response_status()) : Status::OK;
  }

  Status StreamingInputCall(ServerContext *context, grpc::ServerReader<StreamingInputCallRequest> *reader,
                            StreamingInputCallResponse *response) override {
    StreamingInputCallRequest request;
    size_t size = 0;
    while (reader->Read(&request)) {
      if (!IsAsExpected(context, request.has_expect_compressed(), request.expect_compressed().value())) {
        return Unexpected();
      }
      size += request.payload().body().size();
    }
    response->set_aggregated_payload_size(static_cast<int32_t>(size));
    return Status::OK;
  }

  Status FullDuplexCall(
      ServerContext *context,
      grpc::ServerReaderWriter<StreamingOutputCallResponse, StreamingOutputCallRequest> *stream) override {
    EchoMetadata(context);
    StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      if (request.has_response_status()) return Echo(request.response_status());
      if (!Respond(request, stream)) return Status::CANCELLED;
    }
    return Status::OK;
  }

  Status HalfDuplexCall(
      ServerContext *context,
      grpc::ServerReaderWriter<StreamingOutputCallResponse, StreamingOutputCallRequest> *stream) override {
    EchoMetadata(context);
    std::vector<StreamingOutputCallRequest> requests;
    StreamingOutputCallRequest next;
    while (stream->Read(&next)) requests.push_back(next);
    for (const auto &request : requests) {
      if (!Respond(request, stream)) return Status::CANCELLED;
    }
    return Status::OK;
  }

  static Status Echo(const EchoStatus &status) {
    return Status(static_cast<StatusCode>(status.code()), status.message());
  }

  template <typename Writer>
  static bool Respond(const StreamingOutputCallRequest &request, Writer *writer) {
    for (const auto &parameters : request.response_parameters()) {
      std::this_thread::sleep_for(std::chrono::microseconds(parameters.interval_us()));
      StreamingOutputCallResponse response;
      response.mutable_payload()->set_body(std::string(parameters.size(), '\0'));
      grpc::WriteOptions options;
      if (!parameters.compressed().value()) options.set_no_compression();
      if (!writer->Write(response, options)) return false;
    }
    return true;
  }
};

static std::string Read(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int main(int argc, char **argv) {
  auto credentials = grpc::InsecureServerCredentials();
  if (argc == 3) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({Read(argv[2]), Read(argv[1])});
    credentials = grpc::SslServerCredentials(options);
  }
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server || port == 0) return 1;
  std::cout << port << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
}
