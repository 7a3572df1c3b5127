// Holds one weight, hands it on, and lets go of it.
#include "devices/cpu/pack_weights.h"

#include <string>
#include <utility>

#include "base/thread_pool.h"
#include "devices/cpu/held_weights.h"

namespace autoglm {

Result<std::vector<WeightDescription>> describe_weights(const Graph& graph,
                                                        const WeightSource& source,
                                                        const DeviceOptions& options) {
  const Graph used = AGLM_TRY(cpu_program(graph, source, options)).graph;
  const std::vector<WeightPlan> plans = AGLM_TRY(plan_weights(used, source, options.quantize));
  std::vector<WeightDescription> described;
  for (size_t i = 0; i < plans.size(); ++i) {
    const WeightPlan& plan = plans[i];
    if (plan.form == WeightPlan::Form::kUnused) continue;
    const Weight& weight = used.weights()[i];
    described.push_back({.key = weight_key(weight),
                         .form = std::string(form_name(plan.form)),
                         .format = std::string(weight_format_name(plan.format)),
                         .order = std::string(pack_order_name(plan.order)),
                         .rows = weight.rows,
                         .columns = weight.columns,
                         .bytes = plan.bytes});
  }
  return described;
}

Result<void> pack_weights(const Graph& graph, const WeightSource& source,
                          const DeviceOptions& options,
                          const std::function<Result<void>(std::span<const std::byte>)>& take) {
  const Graph used = AGLM_TRY(cpu_program(graph, source, options)).graph;
  const std::vector<WeightPlan> plans = AGLM_TRY(plan_weights(used, source, options.quantize));
  int64_t total = 0;
  for (const WeightPlan& plan : plans) total += plan.bytes;
  ThreadPool pool(options.threads);
  int64_t done = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form == WeightPlan::Form::kUnused) continue;
    const HeldWeight held = AGLM_TRY(hold_weight(used, i, plans[i], source, pool));
    AGLM_TRY(take(held.stored()));
    done += plans[i].bytes;
    if (options.progress) {
      options.progress(static_cast<double>(done) / static_cast<double>(total), "packing weights");
    }
  }
  return {};
}

}  // namespace autoglm
