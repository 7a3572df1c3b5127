#include "engine/sequence_pages.h"

#include <algorithm>

namespace autoglm {

SequencePages::SequencePages(int32_t n_pages, Executor& executor, bool shares, KvSpill* spill)
    : executor_(executor),
      spill_(spill),
      page_tokens_(executor.limits().page_tokens),
      shares_(shares),
      pool_(n_pages) {
  if (shares_) tree_.emplace(pool_, executor_, spill_);
}

// What has an output row that is wanted must be computed by the sequence itself.
int64_t SequencePages::most_shared(const Sequence& sequence) const {
  return sequence.output_from() / page_tokens_;
}

PrefixTree::Found SequencePages::find(const Sequence& sequence) const {
  if (!tree_) return {};
  return tree_->find(sequence.request->salt, sequence.text(), most_shared(sequence));
}

void SequencePages::acquire(Sequence& sequence) {
  if (!tree_) return;
  tree_->acquire(sequence.request->salt, sequence.text(), most_shared(sequence), sequence.path,
                 sequence.pages);
  sequence.computed = std::ssize(sequence.path) * page_tokens_;
  sequence.drafts.draft_computed = tree_->drafted_pages(sequence.path) * page_tokens_;
}

int64_t SequencePages::missing(const Sequence& sequence, int64_t tokens) const {
  return pages_for(tokens, page_tokens_) - std::ssize(sequence.pages);
}

void SequencePages::grow(Sequence& sequence, int64_t tokens) {
  const int64_t n = missing(sequence, tokens);
  if (n <= 0) return;
  if (tree_) {
    tree_->allocate(static_cast<int32_t>(n), sequence.pages);
  } else {
    pool_.allocate(static_cast<int32_t>(n), sequence.pages);
  }
}

void SequencePages::publish(Sequence& sequence) {
  if (!tree_) return;
  const int64_t full = sequence.computed / page_tokens_;
  while (std::ssize(sequence.path) < full) {
    const int64_t begin = std::ssize(sequence.path) * page_tokens_;
    const bool replaced =
        tree_->publish(sequence.request->salt, sequence.text(), sequence.path, sequence.pages);
    // What the draft model had computed lies in the page that was given back.
    int64_t& drafted = sequence.drafts.draft_computed;
    if (replaced) drafted = std::min(drafted, begin);
  }
}

void SequencePages::trim(Sequence& sequence) {
  pool_.trim(pages_for(sequence.n_known(), page_tokens_), sequence.pages);
}

void SequencePages::release(Sequence& sequence) {
  if (tree_) {
    tree_->set_drafted(sequence.path, sequence.drafts.draft_computed / page_tokens_);
    pool_.trim(std::ssize(sequence.path), sequence.pages);
    sequence.pages.clear();
    tree_->release(sequence.path);
  }
  pool_.release(sequence.pages);
}

void SequencePages::save() {
  if (tree_) tree_->save();
}

void SequencePages::reset() {
  tree_.reset();
  pool_ = PagePool(pool_.size());
  if (shares_) tree_.emplace(pool_, executor_, spill_);
}

std::optional<std::string> SequencePages::check(
    std::span<const std::unique_ptr<Sequence>> running) const {
  std::vector<std::vector<int32_t>> owned;
  std::vector<const PrefixPath*> paths;
  for (const auto& sequence : running) {
    const auto n_pages = std::ssize(sequence->pages);
    if (n_pages * page_tokens_ < sequence->computed) {
      return "a sequence has computed more than its pages hold";
    }
    if (n_pages > pages_for(sequence->n_known(), page_tokens_)) {
      return "a sequence holds pages for tokens that it does not have";
    }
    if (std::ssize(sequence->path) * page_tokens_ > sequence->computed) {
      return "a sequence shares what it has not computed";
    }
    owned.emplace_back(sequence->pages.begin() + std::ssize(sequence->path), sequence->pages.end());
    paths.push_back(&sequence->path);
  }
  if (tree_) {
    if (auto wrong = tree_->check(paths)) return wrong;
    owned.push_back(tree_->pages());
  }
  std::vector<const std::vector<int32_t>*> owners;
  for (const auto& pages : owned) owners.push_back(&pages);
  return pool_.check(owners);
}

}  // namespace autoglm
