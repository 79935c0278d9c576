// Eight 64-bit lanes, and the sum of popcounts in them: AVX-512 with VPOPCNTDQ, AVX2, or plain C++.
//
// A lane belongs to one output of a layer, so that no sum has to be taken across lanes and a
// comparison of eight sums with eight thresholds is eight bits of the next layer's input.
// AVX2: popcount by table look-up of nibbles (Mula, Kurz, Lemire, "Faster Population Counts Using
// AVX2 Instructions", The Computer Journal 2018, section 3).
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gs {

using u64 = std::uint64_t;
constexpr int LANES = 8;

#if defined(__AVX512VPOPCNTDQ__) && defined(__AVX512BW__)

struct Lanes {
    __m512i v;
};
constexpr const char* ISA = "AVX-512 VPOPCNTDQ";

inline Lanes zero() { return {_mm512_setzero_si512()}; }
inline Lanes load(const void* p) { return {_mm512_loadu_si512(p)}; }
inline Lanes spread(u64 x) { return {_mm512_set1_epi64(static_cast<long long>(x))}; }
inline Lanes exclusive(Lanes a, Lanes b) { return {_mm512_xor_si512(a.v, b.v)}; }
inline Lanes both(Lanes a, Lanes b) { return {_mm512_and_si512(a.v, b.v)}; }
inline Lanes add(Lanes a, Lanes b) { return {_mm512_add_epi64(a.v, b.v)}; }
inline Lanes sub(Lanes a, Lanes b) { return {_mm512_sub_epi64(a.v, b.v)}; }
inline Lanes ones(Lanes a) { return {_mm512_popcnt_epi64(a.v)}; }
inline unsigned reached(Lanes a, Lanes at) { return _mm512_cmpge_epi64_mask(a.v, at.v); }
inline void store(Lanes a, std::int64_t* p) { _mm512_storeu_si512(p, a.v); }

#elif defined(__AVX2__)

struct Lanes {
    __m256i lo, hi;
};
constexpr const char* ISA = "AVX2";

inline __m256i ones256(__m256i v) {
    const __m256i count = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i a = _mm256_shuffle_epi8(count, _mm256_and_si256(v, low));
    const __m256i b = _mm256_shuffle_epi8(count, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
    return _mm256_sad_epu8(_mm256_add_epi8(a, b), _mm256_setzero_si256());
}
inline Lanes zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Lanes load(const void* p) {
    const auto* q = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline Lanes spread(u64 x) {
    const __m256i v = _mm256_set1_epi64x(static_cast<long long>(x));
    return {v, v};
}
inline Lanes exclusive(Lanes a, Lanes b) {
    return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
inline Lanes both(Lanes a, Lanes b) {
    return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
inline Lanes add(Lanes a, Lanes b) {
    return {_mm256_add_epi64(a.lo, b.lo), _mm256_add_epi64(a.hi, b.hi)};
}
inline Lanes sub(Lanes a, Lanes b) {
    return {_mm256_sub_epi64(a.lo, b.lo), _mm256_sub_epi64(a.hi, b.hi)};
}
inline Lanes ones(Lanes a) { return {ones256(a.lo), ones256(a.hi)}; }
inline unsigned reached(Lanes a, Lanes at) {
    const int lo = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(at.lo, a.lo)));
    const int hi = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(at.hi, a.hi)));
    return ~static_cast<unsigned>(lo | hi << 4) & 0xFFU;
}
inline void store(Lanes a, std::int64_t* p) {
    auto* q = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(q, a.lo), _mm256_storeu_si256(q + 1, a.hi);
}

#else

struct Lanes {
    std::int64_t v[LANES];
};
constexpr const char* ISA = "plain C++";

template <class F>
inline Lanes each(F f) {
    Lanes r;
    for (int i = 0; i < LANES; ++i) r.v[i] = f(i);
    return r;
}
inline Lanes zero() { return each([](int) { return std::int64_t{0}; }); }
inline Lanes load(const void* p) {
    Lanes r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
}
inline Lanes spread(u64 x) { return each([=](int) { return static_cast<std::int64_t>(x); }); }
inline Lanes exclusive(Lanes a, Lanes b) { return each([&](int i) { return a.v[i] ^ b.v[i]; }); }
inline Lanes both(Lanes a, Lanes b) { return each([&](int i) { return a.v[i] & b.v[i]; }); }
inline Lanes add(Lanes a, Lanes b) { return each([&](int i) { return a.v[i] + b.v[i]; }); }
inline Lanes sub(Lanes a, Lanes b) { return each([&](int i) { return a.v[i] - b.v[i]; }); }
inline Lanes ones(Lanes a) {
    return each([&](int i) -> std::int64_t {
        return __builtin_popcountll(static_cast<u64>(a.v[i]));
    });
}
inline unsigned reached(Lanes a, Lanes at) {
    unsigned r = 0;
    for (int i = 0; i < LANES; ++i) r |= static_cast<unsigned>(a.v[i] >= at.v[i]) << i;
    return r;
}
inline void store(Lanes a, std::int64_t* p) { std::memcpy(p, a.v, sizeof a.v); }

#endif

}  // namespace gs
