// The Heartbeat call over gRPC C++, as its users write it: a server on the asynchronous API that
// checks a token in the call's metadata and keeps a table of agents, and a client on the
// asynchronous API with a number of calls in flight on each connection.
//
//   grpc-heartbeat serve TOKEN THREADS
//     prints "port N" and serves until SIGTERM, then prints "served N refused M".
//   grpc-heartbeat load PORT TOKEN CONNECTIONS IN_FLIGHT WARMUP SECONDS THREADS
//     prints one JSON object.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "integrationmanager/v1/agent.grpc.pb.h"

namespace v1 = integrationmanager::v1;
using Clock = std::chrono::steady_clock;
using Service = v1::AgentService::AsyncService;

namespace {

// Who has phoned home, in parts so that the threads seldom meet.
class AgentTable {
 public:
  void Seen(const v1::HeartbeatRequest& request, int64_t now_seconds) {
    Part& part = parts_[std::hash<std::string>()(request.agent_id()) % kParts];
    std::lock_guard<std::mutex> lock(part.mutex);
    Agent& agent = part.agents[request.agent_id()];
    if (agent.instance != request.instance_id()) agent.instance = request.instance_id();
    agent.interval_ms = request.interval_ms();
    agent.seen_seconds = now_seconds;
  }

 private:
  struct Agent {
    std::string instance;
    uint32_t interval_ms = 0;
    int64_t seen_seconds = 0;
  };
  struct Part {
    std::mutex mutex;
    std::unordered_map<std::string, Agent> agents;
  };
  static constexpr size_t kParts = 16;
  Part parts_[kParts];
};

struct Shared {
  Service service;
  AgentTable agents;
  std::string token;  // the whole metadata value, "Bearer …"
  std::atomic<uint64_t> served{0}, refused{0};
};

// One call after another of one slot.
class ServedCall {
 public:
  ServedCall(Shared* shared, grpc::ServerCompletionQueue* queue) : shared_(shared), queue_(queue) {
    Wait();
  }

  void Proceed(bool ok) {
    if (finishing_) {
      Wait();
    } else if (ok) {
      Answer();
    } else {
      delete this;  // the server shuts down
    }
  }

 private:
  void Wait() {
    finishing_ = false;
    context_ = std::make_unique<grpc::ServerContext>();
    responder_ = std::make_unique<grpc::ServerAsyncResponseWriter<v1::HeartbeatResponse>>(
        context_.get());
    request_.Clear();
    response_.Clear();
    shared_->service.RequestHeartbeat(context_.get(), &request_, responder_.get(), queue_, queue_,
                                      this);
  }

  void Answer() {
    finishing_ = true;
    const auto& metadata = context_->client_metadata();
    auto found = metadata.find("authorization");
    if (found == metadata.end() || found->second != shared_->token) {
      shared_->refused.fetch_add(1, std::memory_order_relaxed);
      responder_->FinishWithError({grpc::StatusCode::UNAUTHENTICATED, "unknown token"}, this);
      return;
    }
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    shared_->agents.Seen(request_, now.tv_sec);
    response_.mutable_server_time()->set_seconds(now.tv_sec);
    response_.mutable_server_time()->set_nanos(static_cast<int32_t>(now.tv_nsec));
    response_.set_next_heartbeat_ms(request_.interval_ms());
    shared_->served.fetch_add(1, std::memory_order_relaxed);
    responder_->Finish(response_, grpc::Status::OK, this);
  }

  Shared* shared_;
  grpc::ServerCompletionQueue* queue_;
  bool finishing_ = false;
  std::unique_ptr<grpc::ServerContext> context_;
  std::unique_ptr<grpc::ServerAsyncResponseWriter<v1::HeartbeatResponse>> responder_;
  v1::HeartbeatRequest request_;
  v1::HeartbeatResponse response_;
};

int Serve(const std::string& token, int thread_count) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  Shared shared;
  shared.token = "Bearer " + token;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&shared.service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < thread_count; i++) queues.push_back(builder.AddCompletionQueue());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::vector<std::thread> threads;
  for (auto& queue : queues) {
    for (int i = 0; i < 256; i++) new ServedCall(&shared, queue.get());
    threads.emplace_back([&queue] {
      void* tag;
      bool ok;
      while (queue->Next(&tag, &ok)) static_cast<ServedCall*>(tag)->Proceed(ok);
    });
  }
  printf("port %d\n", port);
  fflush(stdout);
  int signal;
  sigwait(&ending, &signal);
  printf("served %lu refused %lu\n", shared.served.load(), shared.refused.load());
  fflush(stdout);
  _exit(0);  // what is in flight belongs to clients that are gone
}

struct LoadOptions {
  std::string token;
  int in_flight;
  Clock::time_point from, to;
};

struct LoadedCall;

// One thread with its completion queue and the connections that it drives.
struct Driver {
  const LoadOptions* options;
  grpc::CompletionQueue queue;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::vector<std::unique_ptr<v1::AgentService::Stub>> stubs;
  std::vector<v1::HeartbeatRequest> requests;
  std::vector<uint64_t> latencies_ns;
  uint64_t answered = 0, failed = 0, open = 0;
  std::string fault;
  void Start(size_t connection);
  void Run();
};

struct LoadedCall {
  size_t connection;
  Clock::time_point sent;
  grpc::ClientContext context;
  v1::HeartbeatResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::HeartbeatResponse>> reader;
};

void Driver::Start(size_t connection) {
  auto* call = new LoadedCall;
  call->connection = connection;
  call->context.AddMetadata("authorization", options->token);
  call->sent = Clock::now();
  call->reader = stubs[connection]->AsyncHeartbeat(&call->context, requests[connection], &queue);
  call->reader->Finish(&call->response, &call->status, call);
  open++;
}

void Driver::Run() {
  for (size_t i = 0; i < stubs.size(); i++) {
    for (int j = 0; j < options->in_flight; j++) Start(i);
  }
  void* tag;
  bool ok;
  while (open > 0 && queue.Next(&tag, &ok)) {
    std::unique_ptr<LoadedCall> call(static_cast<LoadedCall*>(tag));
    open--;
    auto now = Clock::now();
    if (call->status.ok()) {
      answered++;
      if (now >= options->from && now < options->to) {
        latencies_ns.push_back(std::chrono::nanoseconds(now - call->sent).count());
      }
    } else if (failed++ == 0) {
      fault = call->status.error_message();
    }
    if (now < options->to && call->status.ok()) Start(call->connection);
  }
}

double Percentile(const std::vector<uint64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return double(sorted[std::min(sorted.size() - 1, size_t(share * double(sorted.size())))]) / 1e6;
}

int Load(char** argument) {
  std::string address = std::string("127.0.0.1:") + argument[0];
  LoadOptions options;
  options.token = std::string("Bearer ") + argument[1];
  int connections = atoi(argument[2]);
  options.in_flight = atoi(argument[3]);
  double warmup = atof(argument[4]), seconds = atof(argument[5]);
  std::vector<std::unique_ptr<Driver>> drivers;
  for (int i = 0; i < std::min(atoi(argument[6]), connections); i++) {
    drivers.push_back(std::make_unique<Driver>());
    drivers.back()->options = &options;
  }
  for (int i = 0; i < connections; i++) {
    Driver& driver = *drivers[i % drivers.size()];
    grpc::ChannelArguments arguments;
    // Else all channels to one address share one connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel =
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      fprintf(stderr, "%s does not take connection %d\n", address.c_str(), i);
      return 1;
    }
    driver.stubs.push_back(v1::AgentService::NewStub(channel));
    driver.channels.push_back(channel);
    v1::HeartbeatRequest request;
    request.set_agent_id("bench-" + std::to_string(i));
    request.set_instance_id("instance-1");
    request.set_interval_ms(10000);
    request.set_agent_version("1.2.3");
    driver.requests.push_back(request);
  }
  options.from = Clock::now() + std::chrono::microseconds(int64_t(warmup * 1e6));
  options.to = options.from + std::chrono::microseconds(int64_t(seconds * 1e6));
  std::vector<std::thread> threads;
  for (auto& driver : drivers) threads.emplace_back([&driver] { driver->Run(); });
  std::vector<uint64_t> all;
  uint64_t answered = 0, failed = 0;
  for (size_t i = 0; i < drivers.size(); i++) {
    threads[i].join();
    Driver& driver = *drivers[i];
    all.insert(all.end(), driver.latencies_ns.begin(), driver.latencies_ns.end());
    answered += driver.answered;
    failed += driver.failed;
    if (!driver.fault.empty()) fprintf(stderr, "%s\n", driver.fault.c_str());
  }
  std::sort(all.begin(), all.end());
  printf("{\"seconds\":%f,\"calls\":%zu,\"answered\":%lu,\"failed\":%lu,", seconds, all.size(),
         answered, failed);
  printf("\"p50\":%f,\"p95\":%f,\"p99\":%f,\"max\":%f}\n", Percentile(all, 0.5),
         Percentile(all, 0.95), Percentile(all, 0.99), Percentile(all, 1));
  fflush(stdout);
  _exit(failed == 0 ? 0 : 1);
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 4 && strcmp(arguments[1], "serve") == 0) {
    return Serve(arguments[2], atoi(arguments[3]));
  }
  if (count == 9 && strcmp(arguments[1], "load") == 0) return Load(arguments + 2);
  fprintf(stderr, "expected: serve TOKEN THREADS\n"
                  "      or: load PORT TOKEN CONNECTIONS IN_FLIGHT WARMUP SECONDS THREADS\n");
  return 2;
}
