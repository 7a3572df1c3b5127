#include "text/grammar/structural_tag.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "text/grammar/free_text.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/reader.h"
#include "text/grammar/regex_syntax.h"
#include "text/grammar/rules.h"

namespace autoglm::grammar {
namespace {

// Marks are short; each byte of them is a state of the free text's automaton.
constexpr size_t kMaxMarkBytes = 4096;
constexpr size_t kMaxTags = 1024;

class TagBuilder {
 public:
  TagBuilder(GrammarBuilder& builder, const JsonPrelude& prelude, std::string_view where)
      : builder_(builder), prelude_(prelude), where_(where) {}

  Result<int32_t> whole(const json::value& tag) {
    const json::Fields fields = AGLM_TRY(json::fields_of(tag, where_));
    const int32_t rule = builder_.add_rule("structural_tag");
    const int32_t begin = builder_.begin(rule), end = builder_.end(rule);
    if (const json::value* format = fields.find("format")) {
      AGLM_TRY(this->format(*format, begin, end, 0));
    } else if (fields.find("structures") != nullptr) {
      AGLM_TRY(structures(fields, begin, end));
    } else {
      AGLM_TRY(this->format(tag, begin, end, 0));
    }
    return rule;
  }

 private:
  Error error(std::string what, std::string expected = {}) const {
    return {.code = ErrorCode::kInvalidArgument,
            .what = std::move(what),
            .where = std::string(where_),
            .expected = std::move(expected)};
  }

  int32_t next_node(int32_t like) { return builder_.add_node(builder_.rule_of(like)); }

  // The older form: every content is JSON.
  Result<void> structures(const json::Fields& fields, int32_t from, int32_t to) {
    std::vector<Tag> tags;
    for (const json::value& structure : *AGLM_TRY(fields.list("structures"))) {
      const json::Fields own = AGLM_TRY(json::fields_of(structure, where_));
      Tag tag;
      tag.begin = AGLM_TRY(own.string("begin"));
      tag.ends = {AGLM_TRY(own.string("end"))};
      tag.schema = own.find("schema");
      if (tag.schema == nullptr) return error("a structure has no schema");
      tags.push_back(std::move(tag));
    }
    const std::vector<std::string> triggers = AGLM_TRY(texts(fields, "triggers"));
    return triggered(triggers, tags, {}, from, to, 0);
  }

  struct Tag {
    std::string begin;
    std::vector<std::string> ends;
    const json::value* content = nullptr;  // a format
    const json::value* schema = nullptr;   // or a schema
  };
  struct How {
    bool at_least_one = false;
    bool stop_after_first = false;
  };

  Result<std::vector<std::string>> texts(const json::Fields& fields, std::string_view key) const {
    std::vector<std::string> result;
    for (const json::value& text : *AGLM_TRY(fields.list(key))) {
      if (!text.is_string() || text.get_string().empty() ||
          text.get_string().size() > kMaxMarkBytes || result.size() == kMaxTags) {
        return error(fmt::format("{} is not a list of marks", key),
                     fmt::format("at most {} strings of 1 to {} bytes", kMaxTags, kMaxMarkBytes));
      }
      result.emplace_back(text.get_string());
    }
    return result;
  }

  Result<Tag> tag(const json::value& value) const {
    const json::Fields fields = AGLM_TRY(json::fields_of(value, where_));
    Tag result;
    result.begin = AGLM_TRY(fields.string("begin"));
    const json::value* end = fields.find("end");
    if (end != nullptr && end->is_array()) {
      result.ends = AGLM_TRY(texts(fields, "end"));
    } else {
      result.ends = {AGLM_TRY(fields.string("end"))};
    }
    result.content = fields.find("content");
    if (result.content == nullptr) return error("a tag has no content");
    return result;
  }

  Result<std::vector<Tag>> tags(const json::Fields& fields) const {
    std::vector<Tag> result;
    const json::array& list = *AGLM_TRY(fields.list("tags"));
    if (list.empty() || list.size() > kMaxTags) {
      return error("tags is not a list of tags", fmt::format("1 to {} of them", kMaxTags));
    }
    for (const json::value& value : list) result.push_back(AGLM_TRY(tag(value)));
    return result;
  }

  static Result<How> how(const json::Fields& fields) {
    How result;
    result.at_least_one = AGLM_TRY(fields.boolean_or("at_least_one", false));
    result.stop_after_first = AGLM_TRY(fields.boolean_or("stop_after_first", false));
    return result;
  }

  // What follows the first `skipped` bytes of a tag's beginning.
  Result<void> rest_of(const Tag& tag, size_t skipped, int32_t from, int32_t to, int depth) {
    const int32_t content = next_node(from), end = next_node(from);
    builder_.text(from, std::string_view(tag.begin).substr(skipped), content);
    if (tag.schema != nullptr) {
      AGLM_TRY(schema(*tag.schema, content, end));
    } else {
      const json::value* type =
          tag.content->is_object() ? tag.content->get_object().if_contains("type") : nullptr;
      // Free text ends at the first end mark, not at a later one.
      if (type != nullptr && *type == "any_text") {
        return any_text(*tag.content, tag.ends, content, to);
      }
      AGLM_TRY(format(*tag.content, content, end, depth + 1));
    }
    for (const std::string& mark : tag.ends) builder_.text(end, mark, to);
    return {};
  }

  Result<void> any_text(const json::value& value, std::vector<std::string> ends, int32_t from,
                        int32_t to) {
    const json::Fields fields = AGLM_TRY(json::fields_of(value, where_));
    std::vector<std::string> marks;
    std::vector<int32_t> found;
    std::erase(ends, "");
    for (std::string& end : ends) {
      marks.push_back(std::move(end));
      found.push_back(to);
    }
    if (fields.find("excludes") != nullptr) {
      for (std::string& text : AGLM_TRY(texts(fields, "excludes"))) {
        marks.push_back(std::move(text));
        found.push_back(-1);
      }
    }
    // With an end, the text goes on until it comes.
    build_free_text(builder_, from, marks, found, ends.empty() ? to : next_node(from));
    return {};
  }

  Result<void> triggered(const std::vector<std::string>& triggers, const std::vector<Tag>& tags,
                         How how, int32_t from, int32_t to, int depth) {
    std::vector<char> used(tags.size(), 0);
    // Free text before the first tag, and after each; they differ in whether the end may come.
    const int32_t after = next_node(from);
    const auto part = [&](int32_t begin, int32_t end) -> Result<void> {
      std::vector<int32_t> found;
      for (const std::string& trigger : triggers) {
        const int32_t node = next_node(from);
        found.push_back(node);
        for (size_t i = 0; i < tags.size(); ++i) {
          if (!tags[i].begin.starts_with(trigger)) continue;
          used[i] = 1;
          AGLM_TRY(rest_of(tags[i], trigger.size(), node, after, depth));
        }
      }
      build_free_text(builder_, begin, triggers, found, end);
      return {};
    };
    if (triggers.empty()) return error("triggers is not a list of marks", "at least one");
    if (how.at_least_one || how.stop_after_first) {
      AGLM_TRY(part(from, how.at_least_one ? next_node(from) : to));
    } else {
      builder_.empty(from, after);
    }
    if (how.stop_after_first) {
      builder_.empty(after, to);
    } else {
      AGLM_TRY(part(after, to));
    }
    const auto unused = std::find(used.begin(), used.end(), 0);
    if (unused == used.end()) return {};
    return error(fmt::format("no trigger begins the tag \"{}\"",
                             tags[static_cast<size_t>(unused - used.begin())].begin));
  }

  Result<void> separated(const std::vector<Tag>& tags, const std::string& separator, How how,
                         int32_t from, int32_t to, int depth) {
    const int32_t start = next_node(from), after = next_node(from);
    builder_.empty(from, start);
    if (!how.at_least_one) builder_.empty(from, to);
    for (const Tag& tag : tags) AGLM_TRY(rest_of(tag, 0, start, after, depth));
    builder_.empty(after, to);
    if (!how.stop_after_first) builder_.text(after, separator, start);
    return {};
  }

  Result<void> schema(const json::value& value, int32_t from, int32_t to) {
    const int32_t rule = AGLM_TRY(build_json_schema(builder_, prelude_, value, where_));
    builder_.call(from, rule, to);
    return {};
  }

  Result<void> elements(const json::Fields& fields, bool all, int32_t from, int32_t to, int depth) {
    const json::array& list = *AGLM_TRY(fields.list("elements"));
    if (list.empty()) return error("elements is empty", "at least one format");
    size_t left = list.size();
    for (const json::value& element : list) {
      const int32_t end = !all || --left == 0 ? to : next_node(from);
      AGLM_TRY(format(element, from, end, depth + 1));
      if (all) from = end;
    }
    return {};
  }

  // Each format stands between nodes of its own, so that loops do not meet.
  Result<void> format(const json::value& value, int32_t from, int32_t to, int depth) {
    if (depth > kMaxNesting / 2) return error("formats are nested too deeply");
    if (builder_.failed()) return {};
    const json::Fields fields = AGLM_TRY(json::fields_of(value, where_));
    const std::string type = AGLM_TRY(fields.string("type"));
    const int32_t begin = next_node(from);
    builder_.empty(from, begin);
    if (type == "const_string") {
      builder_.text(begin, AGLM_TRY(fields.string("value")), to);
      return {};
    }
    if (type == "json_schema") {
      const json::value* schema = fields.find("json_schema");
      if (schema == nullptr) return error("json_schema is missing");
      return this->schema(*schema, begin, to);
    }
    if (type == "regex") {
      const std::string source = AGLM_TRY(fields.string("pattern"));
      const ExpressionPtr e = AGLM_TRY(parse_regex(source, where_));
      builder_.expression(begin, *e, to);
      return {};
    }
    if (type == "grammar") {
      const std::string source = AGLM_TRY(fields.string("grammar"));
      builder_.call(begin, AGLM_TRY(build_grammar(builder_, source, where_)), to);
      return {};
    }
    if (type == "any_text") return any_text(value, {}, begin, to);
    if (type == "sequence" || type == "or") {
      return elements(fields, type == "sequence", begin, to, depth);
    }
    if (type == "tag") return rest_of(AGLM_TRY(tag(value)), 0, begin, to, depth);
    if (type == "triggered_tags") {
      const std::vector<std::string> triggers = AGLM_TRY(texts(fields, "triggers"));
      const std::vector<Tag> list = AGLM_TRY(tags(fields));
      return triggered(triggers, list, AGLM_TRY(how(fields)), begin, to, depth);
    }
    if (type == "tags_with_separator") {
      const std::string separator = AGLM_TRY(fields.string("separator"));
      const std::vector<Tag> list = AGLM_TRY(tags(fields));
      return separated(list, separator, AGLM_TRY(how(fields)), begin, to, depth);
    }
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("format \"{}\" is not known", printable(type)),
                 .where = std::string(where_),
                 .expected =
                     "const_string, json_schema, regex, grammar, any_text, sequence, or, "
                     "tag, triggered_tags or tags_with_separator"};
  }

  static std::string printable(const std::string& text) {
    return repair_utf8(utf8_prefix(text, 64));
  }

  GrammarBuilder& builder_;
  const JsonPrelude& prelude_;
  const std::string_view where_;
};

}  // namespace

Result<int32_t> build_structural_tag(GrammarBuilder& builder, const JsonPrelude& prelude,
                                     const json::value& tag, std::string_view where) {
  return TagBuilder(builder, prelude, where).whole(tag);
}

}  // namespace autoglm::grammar
