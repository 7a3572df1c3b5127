// The parsed template: expressions and statements as plain trees, immutable after parsing and
// shared by all renders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/lexer.h"
#include "text/jinja/value.h"

namespace autoglm::jinja {

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kNamespaceField,  // target only: ns.field
  kList,
  kTuple,
  kDict,  // children: key, value, key, value...
  kAttribute,
  kItem,       // children: base, index
  kSlice,      // children: base, start, stop, step (each of the last three may be null)
  kCall,       // children: callee; arguments in `call`
  kFilter,     // children: value (null: a filter block's text)
  kTest,       // children: value
  kCondition,  // children: test, then, otherwise (may be null)
  kOr,
  kAnd,
  kNot,
  kNegate,
  kPositive,
  kBinary,   // `name` is the operator
  kConcat,   // children joined by ~
  kCompare,  // children: first, then one per operator in `names`
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         // *args
  ExprPtr double_star;  // **kwargs
};

struct Expr {
  ExprKind kind = ExprKind::kConst;
  Position position;
  Value constant;
  std::string name;                // variable, attribute, filter, test or operator
  std::string field;               // kNamespaceField
  std::vector<std::string> names;  // kCompare's operators
  std::vector<ExprPtr> children;
  CallArguments call;
  Builtin builtin = nullptr;  // of a filter or test; null: unknown
  int height = 1;             // of this tree, bounded by the parser
};

enum class StatementKind : uint8_t {
  kText,
  kOutput,
  kSet,
  kSetBlock,
  kIf,
  kFor,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kScope,  // generation, autoescape: a body with variables of its own
  kBlock,
  kBreak,
  kContinue,
  kRefused,  // include, import, extends: an error when reached
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Branch {
  ExprPtr test;
  Body body;
};

// What a macro or a call block declares.
struct Signature {
  std::string name;  // empty for a call block's caller
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // for the last parameters
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
  bool explicit_caller = false;  // "caller" is a parameter
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  Position position;
  std::string text;  // kText; the tag's name for kRefused; kBlock's name
  ExprPtr target;    // kSet, kSetBlock, kFor
  ExprPtr value;     // kSet, kFor's iterable, kSetBlock/kFilterBlock's filters, kCallBlock's call
  ExprPtr test;      // kFor's condition
  std::vector<ExprPtr> outputs;  // kOutput; kWith's values
  std::vector<ExprPtr> targets;  // kWith
  std::vector<Branch> branches;  // kIf
  Body body;
  Body otherwise;  // kIf's and kFor's else
  bool recursive = false;
  bool uses_loop = false;  // kFor: the body mentions `loop`
  bool scoped = false;     // kBlock
  Signature signature;
};

struct Template {
  std::string where;
  Body body;
};

}  // namespace autoglm::jinja
