// A client of the service in gRPC C++, with the callback API.
//
//   client ADDRESS unary CALLS UNDERWAY      CALLS echoes of 100 bytes, UNDERWAY of them at any time, on one connection
//   client ADDRESS down MESSAGES BYTES       MESSAGES messages of BYTES bytes on one stream from the server
//   client ADDRESS up MESSAGES BYTES         the same, to the server
//
// Prints the seconds that it took; ends with an error when an answer is not what it must be.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "handoff/test/v1/echo.grpc.pb.h"

using handoff::test::v1::EchoRequest;
using handoff::test::v1::EchoResponse;
using handoff::test::v1::EchoService;
using Clock = std::chrono::steady_clock;

static const auto kDeadline = std::chrono::seconds(30);

struct Run {
  std::unique_ptr<EchoService::Stub> stub;
  std::atomic<long> left;
  std::atomic<long> underway;
  std::atomic<bool> failed{false};
  std::string text = std::string(100, 'a');
  std::promise<void> done;
};

struct Slot {
  Run *run;
  std::unique_ptr<grpc::ClientContext> context;
  EchoRequest request;
  EchoResponse response;

  void Next() {
    if (run->left.fetch_sub(1) <= 0) {
      if (run->underway.fetch_sub(1) == 1) run->done.set_value();
      return;
    }
    context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    request.set_text(run->text);
    run->stub->async()->Echo(context.get(), &request, &response, [this](grpc::Status status) {
      if (!status.ok() || response.text() != run->text) run->failed = true;
      Next();
    });
  }
};

static bool Unary(std::unique_ptr<EchoService::Stub> stub, long calls, long underway) {
  Run run;
  run.stub = std::move(stub);
  run.left = calls;
  run.underway = underway;
  std::vector<Slot> slots(underway);
  for (auto &slot : slots) slot.run = &run;
  for (auto &slot : slots) slot.Next();
  run.done.get_future().wait();
  return !run.failed;
}

class Reader : public grpc::ClientReadReactor<EchoResponse> {
 public:
  Reader(EchoService::Stub *stub, long count, long bytes) : bytes_(bytes), left_(count) {
    request_.set_payload(std::string(bytes, 'b'));
    request_.set_count(count);
    stub->async()->Repeat(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if ((long)response_.payload().size() == bytes_) left_--;
    StartRead(&response_);
  }
  void OnDone(const grpc::Status &status) override { done_.set_value(status.ok() && left_ == 0); }
  bool Wait() { return done_.get_future().get(); }

 private:
  long bytes_, left_;
  grpc::ClientContext context_;
  EchoRequest request_;
  EchoResponse response_;
  std::promise<bool> done_;
};

class Writer : public grpc::ClientWriteReactor<EchoRequest> {
 public:
  Writer(EchoService::Stub *stub, long count, long bytes) : count_(count), left_(count) {
    request_.set_payload(std::string(bytes, 'b'));
    stub->async()->Collect(&context_, &response_, this);
    OnWriteDone(true);
    StartCall();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return;
    if (left_-- > 0) {
      StartWrite(&request_);
    } else {
      StartWritesDone();
    }
  }
  void OnDone(const grpc::Status &status) override { done_.set_value(status.ok() && response_.index() == count_); }
  bool Wait() { return done_.get_future().get(); }

 private:
  long count_, left_;
  grpc::ClientContext context_;
  EchoRequest request_;
  EchoResponse response_;
  std::promise<bool> done_;
};

int main(int argc, char **argv) {
  if (argc != 5) return 64;
  std::string what = argv[2];
  long count = std::stol(argv[3]), size = std::stol(argv[4]);
  auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + kDeadline)) return 1;
  auto stub = EchoService::NewStub(channel);
  auto began = Clock::now();
  bool ok = what == "unary"  ? Unary(std::move(stub), count, size)
            : what == "down" ? Reader(stub.get(), count, size).Wait()
                             : Writer(stub.get(), count, size).Wait();
  std::cout << std::chrono::duration<double>(Clock::now() - began).count() << std::endl;
  return ok ? 0 : 1;
}
