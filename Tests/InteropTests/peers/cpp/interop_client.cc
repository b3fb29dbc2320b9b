// The client of gRPC's interoperability tests in gRPC C++:
//
//   interop_client --host H --port N [--tls-ca F] --case NAME|all
//     [--concurrent-calls N] [--soak-iterations N] [--soak-milliseconds-max N]
//
// Prints a line a case: its name and "ok", or what went wrong.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"
#include "message_flags.h"

using namespace grpc::testing;
using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
using Clock = std::chrono::steady_clock;

static const auto kTimeout = std::chrono::seconds(60);
static const std::vector<int> kRequestSizes = {27182, 8, 1828, 45904};
static const std::vector<int> kResponseSizes = {31415, 9, 2653, 58979};
static const char kEchoInitial[] = "x-grpc-test-echo-initial";
static const char kEchoTrailing[] = "x-grpc-test-echo-trailing-bin";
static const char kMessage[] = "test status message";
static const char kSpecial[] = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

template <typename Value>
static void Expect(const std::string &what, const Value &got, const Value &wanted) {
  if (got == wanted) return;
  std::ostringstream text;
  text << what << " is " << got << ", not " << wanted;
  throw std::runtime_error(text.str());
}

static void ExpectCode(const Status &status, StatusCode code) {
  Expect<int>("the status (" + status.error_message() + ")", status.error_code(), code);
}

struct Interop {
  std::map<std::string, std::string> options;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<TestService::Stub> stub;

  explicit Interop(std::map<std::string, std::string> options) : options(std::move(options)) {
    // A connection of its own, though another channel may have one to the same place.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto credentials = grpc::InsecureChannelCredentials();
    auto authorities = this->options.find("--tls-ca");
    if (authorities != this->options.end()) {
      std::ifstream file(authorities->second, std::ios::binary);
      grpc::SslCredentialsOptions ssl;
      ssl.pem_root_certs = std::string(std::istreambuf_iterator<char>(file), {});
      credentials = grpc::SslCredentials(ssl);
    }
    auto address = this->options["--host"] + ":" + this->options["--port"];
    channel = grpc::CreateCustomChannel(address, credentials, arguments);
    stub = TestService::NewStub(channel);
  }

  long Number(const char *name) const {
    auto found = options.find(name);
    return found == options.end() ? 1000 : std::stol(found->second);
  }
};

static std::unique_ptr<ClientContext> Context(std::chrono::milliseconds timeout = kTimeout) {
  auto context = std::make_unique<ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + timeout);
  return context;
}

template <typename Message>
static Message WithPayload(int size) {
  Message message;
  message.mutable_payload()->set_body(std::string(size, '\0'));
  return message;
}

static SimpleRequest LargeRequest() {
  auto request = WithPayload<SimpleRequest>(271828);
  request.set_response_size(314159);
  return request;
}

static StreamingOutputCallRequest StreamingRequest(int response_size, int payload_size) {
  auto request = WithPayload<StreamingOutputCallRequest>(payload_size);
  request.add_response_parameters()->set_size(response_size);
  return request;
}

// Calls UnaryCall, which must succeed with the large answer.
static void Large(Interop &interop, ClientContext *context, const SimpleRequest &request) {
  SimpleResponse response;
  ExpectCode(interop.stub->UnaryCall(context, request, &response), StatusCode::OK);
  Expect<size_t>("the size", response.payload().body().size(), 314159);
}

static void EmptyUnary(Interop &interop) {
  Empty response;
  ExpectCode(interop.stub->EmptyCall(Context().get(), Empty(), &response), StatusCode::OK);
}

static void LargeUnary(Interop &interop) { Large(interop, Context().get(), LargeRequest()); }

static void ClientStreaming(Interop &interop) {
  auto context = Context();
  StreamingInputCallResponse response;
  auto writer = interop.stub->StreamingInputCall(context.get(), &response);
  for (int size : kRequestSizes) writer->Write(WithPayload<StreamingInputCallRequest>(size));
  writer->WritesDone();
  ExpectCode(writer->Finish(), StatusCode::OK);
  Expect("the sum", response.aggregated_payload_size(), 74922);
}

static void ServerStreaming(Interop &interop) {
  StreamingOutputCallRequest request;
  for (int size : kResponseSizes) request.add_response_parameters()->set_size(size);
  auto context = Context();
  auto reader = interop.stub->StreamingOutputCall(context.get(), request);
  StreamingOutputCallResponse response;
  for (int size : kResponseSizes) {
    Expect("whether an answer came", reader->Read(&response), true);
    Expect<size_t>("the size", response.payload().body().size(), size);
  }
  Expect("whether more came", reader->Read(&response), false);
  ExpectCode(reader->Finish(), StatusCode::OK);
}

static void PingPong(Interop &interop) {
  auto context = Context();
  auto stream = interop.stub->FullDuplexCall(context.get());
  StreamingOutputCallResponse response;
  for (size_t i = 0; i < kRequestSizes.size(); i++) {
    stream->Write(StreamingRequest(kResponseSizes[i], kRequestSizes[i]));
    Expect("whether an answer came", stream->Read(&response), true);
    Expect<size_t>("the size", response.payload().body().size(), kResponseSizes[i]);
  }
  stream->WritesDone();
  Expect("whether more came", stream->Read(&response), false);
  ExpectCode(stream->Finish(), StatusCode::OK);
}

static void EmptyStream(Interop &interop) {
  auto context = Context();
  auto stream = interop.stub->FullDuplexCall(context.get());
  stream->WritesDone();
  StreamingOutputCallResponse response;
  Expect("whether an answer came", stream->Read(&response), false);
  ExpectCode(stream->Finish(), StatusCode::OK);
}

static void ClientCompressedUnary(Interop &interop) {
  auto request = LargeRequest();
  request.mutable_expect_compressed()->set_value(true);
  SimpleResponse response;
  // The probe: a server that does not see whether a message is compressed answers as if all were well.
  ExpectCode(interop.stub->UnaryCall(Context().get(), request, &response), StatusCode::INVALID_ARGUMENT);
  auto context = Context();
  context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  Large(interop, context.get(), request);
  request.mutable_expect_compressed()->set_value(false);
  Large(interop, Context().get(), request);
}

static void ClientCompressedStreaming(Interop &interop) {
  auto first = WithPayload<StreamingInputCallRequest>(27182);
  first.mutable_expect_compressed()->set_value(true);
  auto second = WithPayload<StreamingInputCallRequest>(45904);
  second.mutable_expect_compressed()->set_value(false);
  StreamingInputCallResponse response;
  auto probe = Context();
  auto probing = interop.stub->StreamingInputCall(probe.get(), &response);
  probing->Write(first);
  probing->WritesDone();
  ExpectCode(probing->Finish(), StatusCode::INVALID_ARGUMENT);
  auto context = Context();
  context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  auto writer = interop.stub->StreamingInputCall(context.get(), &response);
  writer->Write(first);
  writer->Write(second, grpc::WriteOptions().set_no_compression());
  writer->WritesDone();
  ExpectCode(writer->Finish(), StatusCode::OK);
  Expect("the sum", response.aggregated_payload_size(), 73086);
}

static void ServerCompressedUnary(Interop &interop) {
  for (bool is_compressed : {true, false}) {
    auto request = LargeRequest();
    request.mutable_response_compressed()->set_value(is_compressed);
    auto context = Context();
    Large(interop, context.get(), request);
    Expect("whether the answer is compressed", InteropClientContextInspector::WasCompressed(*context), is_compressed);
  }
}

static void ServerCompressedStreaming(Interop &interop) {
  const std::vector<std::pair<int, bool>> wanted = {{31415, true}, {92653, false}};
  StreamingOutputCallRequest request;
  for (auto [size, is_compressed] : wanted) {
    auto *parameters = request.add_response_parameters();
    parameters->set_size(size);
    parameters->mutable_compressed()->set_value(is_compressed);
  }
  auto context = Context();
  auto reader = interop.stub->StreamingOutputCall(context.get(), request);
  StreamingOutputCallResponse response;
  for (auto [size, is_compressed] : wanted) {
    Expect("whether an answer came", reader->Read(&response), true);
    Expect<size_t>("the size", response.payload().body().size(), size);
    Expect("whether it is compressed", InteropClientContextInspector::WasCompressed(*context), is_compressed);
  }
  Expect("whether more came", reader->Read(&response), false);
  ExpectCode(reader->Finish(), StatusCode::OK);
}

static void CheckEchoed(const ClientContext &context) {
  const auto &initial = context.GetServerInitialMetadata();
  const auto &trailing = context.GetServerTrailingMetadata();
  auto text = initial.find(kEchoInitial);
  Expect("whether the initial metadata came back",
         text != initial.end() && text->second == "test_initial_metadata_value", true);
  auto bytes = trailing.find(kEchoTrailing);
  Expect("whether the trailing metadata came back", bytes != trailing.end() && bytes->second == "\xab\xab\xab", true);
}

static void CustomMetadata(Interop &interop) {
  auto context = [] {
    auto context = Context();
    context->AddMetadata(kEchoInitial, "test_initial_metadata_value");
    context->AddMetadata(kEchoTrailing, "\xab\xab\xab");
    return context;
  };
  auto unary = context();
  Large(interop, unary.get(), LargeRequest());
  CheckEchoed(*unary);
  auto duplex = context();
  auto stream = interop.stub->FullDuplexCall(duplex.get());
  stream->Write(StreamingRequest(314159, 271828));
  stream->WritesDone();
  StreamingOutputCallResponse response;
  Expect("whether an answer came", stream->Read(&response), true);
  Expect("whether more came", stream->Read(&response), false);
  ExpectCode(stream->Finish(), StatusCode::OK);
  CheckEchoed(*duplex);
}

static void ExpectEchoedStatus(Interop &interop, const std::string &message) {
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(message);
  SimpleResponse response;
  auto status = interop.stub->UnaryCall(Context().get(), request, &response);
  ExpectCode(status, StatusCode::UNKNOWN);
  Expect("the message", status.error_message(), message);
}

static void StatusCodeAndMessage(Interop &interop) {
  ExpectEchoedStatus(interop, kMessage);
  auto context = Context();
  auto stream = interop.stub->FullDuplexCall(context.get());
  StreamingOutputCallRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(kMessage);
  stream->Write(request);
  stream->WritesDone();
  StreamingOutputCallResponse response;
  Expect("whether an answer came", stream->Read(&response), false);
  auto status = stream->Finish();
  ExpectCode(status, StatusCode::UNKNOWN);
  Expect<std::string>("the message", status.error_message(), kMessage);
}

static void SpecialStatusMessage(Interop &interop) { ExpectEchoedStatus(interop, kSpecial); }

static void UnimplementedMethod(Interop &interop) {
  Empty response;
  ExpectCode(interop.stub->UnimplementedCall(Context().get(), Empty(), &response), StatusCode::UNIMPLEMENTED);
}

static void UnimplementedServiceCase(Interop &interop) {
  auto stub = UnimplementedService::NewStub(interop.channel);
  Empty response;
  ExpectCode(stub->UnimplementedCall(Context().get(), Empty(), &response), StatusCode::UNIMPLEMENTED);
}

static void CancelAfterBegin(Interop &interop) {
  auto context = Context();
  StreamingInputCallResponse response;
  auto writer = interop.stub->StreamingInputCall(context.get(), &response);
  context->TryCancel();
  ExpectCode(writer->Finish(), StatusCode::CANCELLED);
}

static void CancelAfterFirstResponse(Interop &interop) {
  auto context = Context();
  auto stream = interop.stub->FullDuplexCall(context.get());
  stream->Write(StreamingRequest(31415, 27182));
  StreamingOutputCallResponse response;
  Expect("whether an answer came", stream->Read(&response), true);
  Expect<size_t>("the size", response.payload().body().size(), 31415);
  context->TryCancel();
  Expect("whether more came", stream->Read(&response), false);
  ExpectCode(stream->Finish(), StatusCode::CANCELLED);
}

static void TimeoutOnSleepingServer(Interop &interop) {
  auto context = Context(std::chrono::milliseconds(1));
  auto stream = interop.stub->FullDuplexCall(context.get());
  stream->Write(WithPayload<StreamingOutputCallRequest>(27182));
  StreamingOutputCallResponse response;
  Expect("whether an answer came", stream->Read(&response), false);
  ExpectCode(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

static void ConcurrentLargeUnary(Interop &interop) {
  struct Call {
    std::unique_ptr<ClientContext> context = Context(10 * kTimeout);
    SimpleRequest request = LargeRequest();
    SimpleResponse response;
    std::promise<Status> done;
  };
  std::vector<Call> calls(interop.Number("--concurrent-calls"));
  for (auto &call : calls) {
    interop.stub->async()->UnaryCall(call.context.get(), &call.request, &call.response,
                                     [&call](Status status) { call.done.set_value(status); });
  }
  std::vector<Status> ended;
  for (auto &call : calls) ended.push_back(call.done.get_future().get());
  for (const auto &status : ended) ExpectCode(status, StatusCode::OK);
  for (const auto &call : calls) Expect<size_t>("the size", call.response.payload().body().size(), 314159);
}

static void Timed(Interop &interop) {
  auto began = Clock::now();
  LargeUnary(interop);
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
  if (took > interop.Number("--soak-milliseconds-max")) {
    throw std::runtime_error("a call took " + std::to_string(took) + " ms");
  }
}

static void RPCSoak(Interop &interop) {
  for (long i = interop.Number("--soak-iterations"); i > 0; i--) Timed(interop);
}

static void ChannelSoak(Interop &interop) {
  for (long i = interop.Number("--soak-iterations"); i > 0; i--) {
    Interop fresh(interop.options);
    Timed(fresh);
  }
}

static const std::vector<std::pair<std::string, std::function<void(Interop &)>>> kCases = {
    {"empty_unary", EmptyUnary},
    {"large_unary", LargeUnary},
    {"client_streaming", ClientStreaming},
    {"server_streaming", ServerStreaming},
    {"ping_pong", PingPong},
    {"empty_stream", EmptyStream},
    {"client_compressed_unary", ClientCompressedUnary},
    {"client_compressed_streaming", ClientCompressedStreaming},
    {"server_compressed_unary", ServerCompressedUnary},
    {"server_compressed_streaming", ServerCompressedStreaming},
    {"custom_metadata", CustomMetadata},
    {"status_code_and_message", StatusCodeAndMessage},
    {"special_status_message", SpecialStatusMessage},
    {"unimplemented_method", UnimplementedMethod},
    {"unimplemented_service", UnimplementedServiceCase},
    {"cancel_after_begin", CancelAfterBegin},
    {"cancel_after_first_response", CancelAfterFirstResponse},
    {"timeout_on_sleeping_server", TimeoutOnSleepingServer},
    {"concurrent_large_unary", ConcurrentLargeUnary},
    {"rpc_soak", RPCSoak},
    {"channel_soak", ChannelSoak},
};

int main(int argc, char **argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  bool has_failed = false;
  for (const auto &[name, run] : kCases) {
    if (options["--case"] != "all" && options["--case"] != name) continue;
    try {
      Interop interop(options);
      run(interop);
      std::cout << name << " ok" << std::endl;
    } catch (const std::exception &problem) {
      has_failed = true;
      std::cout << name << " " << problem.what() << std::endl;
    }
  }
  return has_failed;
}
