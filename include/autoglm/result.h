// Result<T>: a value, or an Error that says what went wrong, where, what was expected and what was
// found. Spelled like std::expected, which C++20 lacks. The whole project reports the world's and
// the caller's faults this way; our own faults are kInternal or abort (base/check.h), and nothing
// throws.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#pragma GCC visibility push(default)
namespace autoglm {

enum class ErrorCode {
  kInvalidArgument,    // the caller's request makes no sense
  kNotFound,           // no such file, model, field
  kCorrupt,            // a file's or peer's bytes contradict themselves
  kUnsupported,        // understood, and not offered
  kTooLarge,           // more than a limit allows: asking again will not help
  kResourceExhausted,  // memory, pages, queue places, disk: later there may be some
  kUnavailable,        // not now: draining, not loaded yet
  kCancelled,          // the caller took the request back
  kIo,                 // the operating system refused
  kInternal,           // our own fault, which only what was asked for suffers from
};

// What programs may decide by where a code says too little: one value, one cause that is worth
// telling from others. The words of an error are for people alone.
enum class ErrorReason {
  kNone,                 // the code says it all
  kContextTooLong,       // prompt and answer have more tokens than the model's context
  kUnknownModel,         // no model of that name is served here
  kUnknownItem,          // nothing that is kept has that id, or not for whoever asks
  kTemplateRefused,      // the chat template's own words: the conversation is not one for it
  kQueueFull,            // too many wait already
  kQuota,                // the tenant has had what it may have
  kDeadlineUnreachable,  // by estimate, the answer would come too late
  kDeadlinePassed,       // taken, and then too late after all
};

struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string what{};      // one clause, no full stop: "tensor has the wrong shape"
  std::string where{};     // file and field: "model-00001.safetensors: model.norm.weight"
  std::string expected{};  // may be empty
  std::string found{};     // may be empty
  ErrorReason reason = ErrorReason::kNone;

  // "where: what (expected ..., found ...)"
  std::string message() const;
};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Precondition for value(), * and ->: has_value(). For error(): !has_value().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace autoglm
#pragma GCC visibility pop

// auto value = AGLM_TRY(call());   returns the error from the enclosing function when call()
// failed. A statement of its own: inside the braces of an initialiser g++ 12 does not destroy the
// members before it.
#define AGLM_TRY(expression)                                 \
  __extension__({                                            \
    auto aglm_result = (expression);                         \
    if (!aglm_result) return std::move(aglm_result).error(); \
    std::move(aglm_result).value();                          \
  })
