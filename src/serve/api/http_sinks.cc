#include "serve/api/http_sinks.h"

#include <utility>
#include <vector>

#include "serve/api/errors.h"

namespace autoglm::serve {
namespace {

// What both do alike.
class HttpSink : public GenerationSink {
 public:
  HttpSink(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
           std::unique_ptr<AnswerFormat> format)
      : context_(context), exchange_(std::move(exchange)), format_(std::move(format)) {}
  void post(std::function<void()> work) override { exchange_->post(std::move(work)); }
  void fail(const Error& error) override {
    ApiError told = api_error(format_->in_own_names(error));
    told.retry_after_seconds = context_.backend->stats().seconds_to_drain;
    exchange_->respond(error_response(told, format_->error_form()));
  }

 protected:
  Exchange& exchange() { return *exchange_; }
  AnswerFormat& format() { return *format_; }

 private:
  const ServiceContext& context_;
  const std::shared_ptr<Exchange> exchange_;
  const std::unique_ptr<AnswerFormat> format_;
};

class SseSink : public HttpSink {
 public:
  using HttpSink::HttpSink;

  void piece(AnswerPiece piece, const Usage& usage) override {
    begin();
    exchange().write(format().piece(piece, usage));
  }
  void end(const Usage& usage) override {
    exchange().write(format().end(usage));
    exchange().end_stream();
  }
  // Until something has come, errors have a status of their own.
  void fail(const Error& error) override {
    if (!begun_) return HttpSink::fail(error);
    exchange().write(format().error(api_error(format().in_own_names(error))));
    exchange().end_stream();
  }

 private:
  void begin() {
    if (begun_) return;
    Response head{.content_type = std::string(format().stream_type())};
    head.headers.push_back({"Cache-Control", "no-cache"});
    head.headers.push_back({"X-Accel-Buffering", "no"});  // asks proxies to pass pieces on at once
    head.body = format().begin();
    exchange().start_stream(std::move(head));
    begun_ = true;
  }

  bool begun_ = false;
};

class JsonSink : public HttpSink {
 public:
  using HttpSink::HttpSink;

  void piece(AnswerPiece piece, const Usage&) override {
    if (answers_.size() <= piece.prompt) answers_.resize(piece.prompt + 1);
    answers_[piece.prompt].add(std::move(piece));
  }
  void end(const Usage& usage) override {
    exchange().respond(Response{.body = format().whole(answers_, usage)});
  }
  size_t unwritten() const override {
    size_t n = 0;
    for (const WholeAnswer& answer : answers_) n += answer.size();
    return n;
  }

 private:
  std::vector<WholeAnswer> answers_;  // one a prompt
};

}  // namespace

std::unique_ptr<GenerationSink> sse_sink(const ServiceContext& context,
                                         std::shared_ptr<Exchange> exchange,
                                         std::unique_ptr<AnswerFormat> format) {
  return std::make_unique<SseSink>(context, std::move(exchange), std::move(format));
}

std::unique_ptr<GenerationSink> json_sink(const ServiceContext& context,
                                          std::shared_ptr<Exchange> exchange,
                                          std::unique_ptr<AnswerFormat> format) {
  return std::make_unique<JsonSink>(context, std::move(exchange), std::move(format));
}

}  // namespace autoglm::serve
