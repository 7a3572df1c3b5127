// What a server is and takes, found out before it is measured: the model's name, whether prompts
// may be token ids, what a word costs.
#pragma once

#include <boost/asio/io_context.hpp>

#include "cli/load/http_client.h"
#include "cli/load/request_form.h"

namespace autoglm::load {

enum class PromptForm { kAuto, kTokenIds, kText };

struct ProbeOptions {
  PromptForm prompts = PromptForm::kAuto;
  double timeout_s = 600;  // of each question
};

// Completes `form`: an empty `model` is asked for, as is a `vocab_size` of 0; ids are tried where
// the route takes a prompt. The error says what the server answered.
Result<RequestForm> probe(boost::asio::io_context& context, HttpClient& client, RequestForm form,
                          ProbeOptions options);

}  // namespace autoglm::load
