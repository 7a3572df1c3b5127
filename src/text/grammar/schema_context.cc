#include "text/grammar/schema_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace autoglm::grammar {
namespace {

// The number of a keyword that counts something.
Result<int64_t> count(const SchemaContext& context, const Keyword& found, std::string_view name) {
  double number = -1;
  if (found.value.is_int64()) number = static_cast<double>(found.value.get_int64());
  if (found.value.is_uint64()) number = static_cast<double>(found.value.get_uint64());
  if (found.value.is_double()) number = found.value.get_double();
  if (number < 0 || number != std::floor(number)) {
    return context.index.invalid(*found.schema, name, "must be a whole number, at least 0");
  }
  // What is larger is as good as no bound; as a lower bound it passes the builder's limit.
  return static_cast<int64_t>(std::min(number, 1e15));
}

}  // namespace

bool is_in(const Schemas& list, Schema schema) {
  return std::find(list.begin(), list.end(), schema) != list.end();
}

void add_unique(Schemas& list, Schema schema) {
  if (!is_in(list, schema)) list.push_back(schema);
}

const json::value* keyword(Schema schema, std::string_view name) {
  return schema->is_object() ? schema->get_object().if_contains(name) : nullptr;
}

std::vector<Keyword> having(const Expanded& all, std::string_view name) {
  std::vector<Keyword> found;
  for (const Schema schema : all.schemas) {
    const json::value* value = keyword(schema, name);
    if (value != nullptr) found.push_back({schema, *value});
  }
  return found;
}

Result<Lengths> lengths(const SchemaContext& context, const Expanded& all, std::string_view least,
                        std::string_view most) {
  Lengths lengths;
  for (const Keyword& found : having(all, least)) {
    lengths.least = std::max(lengths.least, AGLM_TRY(count(context, found, least)));
  }
  for (const Keyword& found : having(all, most)) {
    const int64_t own = AGLM_TRY(count(context, found, most));
    lengths.most = lengths.most < 0 ? own : std::min(lengths.most, own);
  }
  if (lengths.least > GrammarBuilder::kMaxCount) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("keyword \"{}\" is too large", least),
                 .where = std::string(context.where),
                 .expected = fmt::format("at most {}", GrammarBuilder::kMaxCount),
                 .found = fmt::to_string(lengths.least)};
  }
  // No answer is so long that this could be noticed.
  if (lengths.most > GrammarBuilder::kMaxCount) lengths.most = -1;
  return lengths;
}

}  // namespace autoglm::grammar
