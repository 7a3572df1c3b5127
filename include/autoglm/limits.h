// What a request may ask for, in one place for all who check it: the engine and every API.
#pragma once

#include <cstddef>
#include <cstdint>

namespace autoglm::limits {

inline constexpr double kMaxTemperature = 100;  // far beyond use; keeps logits / temperature finite
inline constexpr double kMinRepetitionPenalty = 1e-4;  // likewise
inline constexpr double kMaxRepetitionPenalty = 100;
inline constexpr double kMaxPenalty = 2;         // presence and frequency, from -2; OpenAI's
inline constexpr double kMaxLogitBias = 100;     // from -100; OpenAI's
inline constexpr size_t kMaxLogitBiases = 4096;  // added at every token
inline constexpr int32_t kMaxChoices = 128;      // OpenAI's, of n
inline constexpr int32_t kMaxLogprobs = 20;      // OpenAI's, of top_logprobs
inline constexpr size_t kMaxStops = 16;          // OpenAI allows 4; clients send a few more
inline constexpr size_t kMaxStopBytes = 1024;    // each is matched at every byte, and held back
inline constexpr size_t kMaxStopTokens = 1024;   // looked through at every token
inline constexpr size_t kMaxTenantBytes = 256;   // this and the next stand before spilled pages
inline constexpr size_t kMaxCacheSaltBytes = 512;
inline constexpr size_t kMaxEncoderTexts = 4096;  // of one request; OpenAI allows 2048

}  // namespace autoglm::limits
