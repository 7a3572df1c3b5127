#include "kernels/experts/route.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/round_up.h"
#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr int64_t kSerialElements = 16384;  // below it, waking the other threads costs more
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Scores, what they are chosen by, and which are taken; [experts] each.
int64_t thread_bytes(int64_t experts) {
  return round_up(2 * (experts + 1) * int64_t{sizeof(float)} + experts, 64);
}

struct Room {
  Room(std::byte* memory, int64_t experts)
      : scores(reinterpret_cast<float*>(memory)),
        ranks(scores + experts + 1),
        taken(reinterpret_cast<bool*>(ranks + experts + 1)) {}
  float* scores;
  float* ranks;
  bool* taken;
};

// 1 / (1 + e^-x) in place.
void sigmoid(const RowKernels& kernels, float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = -x[i];
  kernels.exp(x, x, n);
  for (int64_t i = 0; i < n; ++i) x[i] = 1.0f / (1.0f + x[i]);
}

void softmax(const RowKernels& kernels, float* x, int64_t n) {
  float most = x[0];
  for (int64_t i = 1; i < n; ++i) most = std::max(most, x[i]);
  for (int64_t i = 0; i < n; ++i) x[i] -= most;
  kernels.exp(x, x, n);
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
}

// The first of the greatest that are not taken; what is no number counts as the least.
int64_t best(const float* ranks, const bool* taken, int64_t n) {
  int64_t found = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (taken[i]) continue;
    if (found < 0 || ranks[i] > ranks[found]) found = i;
  }
  return found;
}

// Takes the experts of all groups but the chosen out of the choice.
void choose_groups(const RouteArgs& a, const Room& room) {
  const int64_t size = a.experts / a.groups;
  for (int64_t i = 0; i < a.experts; ++i) room.taken[i] = true;
  // A group that was chosen is marked by its first expert; scores of groups are few enough to be
  // computed again for each choice.
  const auto score = [&](int64_t group) {
    const float* ranks = room.ranks + group * size;
    float first = kNever;
    float second = kNever;
    for (int64_t i = 0; i < size; ++i) {
      if (ranks[i] > first) {
        second = first;
        first = ranks[i];
      } else if (ranks[i] > second) {
        second = ranks[i];
      }
    }
    return first + second;
  };
  for (int64_t chosen = 0; chosen < a.chosen_groups; ++chosen) {
    int64_t found = -1;
    float found_score = kNever;
    for (int64_t group = 0; group < a.groups; ++group) {
      if (!room.taken[group * size]) continue;
      const float s = score(group);
      if (found >= 0 && !(s > found_score)) continue;
      found = group;
      found_score = s;
    }
    for (int64_t i = 0; i < size; ++i) room.taken[found * size + i] = false;
  }
}

void route_row(const RowKernels& kernels, const RouteArgs& a, int64_t row, const Room& room) {
  const int64_t n = a.experts;
  std::copy_n(a.logits + row * a.logits_stride, n + (a.shared_gate ? 1 : 0), room.scores);
  if (a.shared_gate) {
    float gate = room.scores[n];
    sigmoid(kernels, &gate, 1);
    a.y[row * a.y_stride + 2 * a.chosen] = gate;
  }
  a.sigmoid ? sigmoid(kernels, room.scores, n) : softmax(kernels, room.scores, n);
  for (int64_t i = 0; i < n; ++i) {
    room.ranks[i] = a.bias == nullptr ? room.scores[i] : room.scores[i] + a.bias[i];
    room.taken[i] = false;
  }
  if (a.groups > 1) choose_groups(a, room);
  float* indices = a.y + row * a.y_stride;
  float* weights = indices + a.chosen;
  float sum = 0;
  for (int64_t j = 0; j < a.chosen; ++j) {
    const int64_t expert = best(room.ranks, room.taken, n);
    room.taken[expert] = true;
    indices[j] = static_cast<float>(expert);
    weights[j] = room.scores[expert];
    sum += weights[j];
  }
  for (int64_t j = 0; j < a.chosen; ++j) {
    if (a.renormalize) weights[j] /= sum + 1e-20f;
    weights[j] *= a.scale;
  }
}

}  // namespace

int64_t route_scratch_bytes(const Context& context, int64_t experts) {
  return context.pool.size() * thread_bytes(experts);
}

void route(const Context& context, const RouteArgs& args, std::span<std::byte> scratch) {
  AGLM_CHECK(static_cast<int64_t>(scratch.size()) >= route_scratch_bytes(context, args.experts),
             "scratch of {} bytes for {} experts", scratch.size(), args.experts);
  const RowKernels& kernels = row_kernels(context.isa);
  const int threads = args.rows * args.experts <= kSerialElements ? 1 : context.pool.size();
  const auto work = [&](int index) {
    const Room room(scratch.data() + index * thread_bytes(args.experts), args.experts);
    const int64_t end = args.rows * (index + 1) / threads;
    for (int64_t row = args.rows * index / threads; row < end; ++row) {
      route_row(kernels, args, row, room);
    }
  };
  if (threads == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
