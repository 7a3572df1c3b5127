// Attention on AMX tiles over pages of bf16; over others as avx512.cc.
#include "kernels/attention/amx_pages.h"
#include "kernels/attention/body.h"
#include "kernels/attention/narrow.h"

namespace autoglm {

using AmxAttention = PagedAttention<avx512::F32, 2, AmxPages>;

const AttentionVariant kAttentionAmx = {.run = AmxAttention::run,
                                        .join = AmxAttention::join,
                                        .quantize = quantize_head<avx512::F32>,
                                        .narrow = narrow_to_bf16<avx512::F32>};

}  // namespace autoglm
