// Products of small integers with 32-bit sums, sixteen outputs side by side.
//
// G inputs are one 32-bit word: four bytes (VNNI: unsigned inputs, signed weights) or two 16-bit
// integers. A word of x is spread over all lanes and multiplied with the weights of sixteen outputs,
// so that no sum has to be taken across lanes. Weights are tiles of up to 64 outputs (the last one
// may have fewer, in sixteens): [tile][word][output][G], zeros behind the last input and output.
// Signed bytes are fed as x + 128, and ``start`` takes 128 times the sum of the weights away again.
// Every step is exact: a product of bytes, and a sum of two products of 16 bits whose weights are
// above -32768, fit 32 bits, and so does every partial sum (kernels.py asks only then).
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace gs {

constexpr int WIDE = 16;
constexpr int blocks(int outs) { return (outs + WIDE - 1) / WIDE; }

#if defined(__AVX512BW__)
struct Sums {
    __m512i v;
};
inline Sums sums_at(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void keep(Sums a, std::int32_t* p) { _mm512_storeu_si512(p, a.v); }
#elif defined(__AVX2__)
struct Sums {
    __m256i lo, hi;
};
inline Sums sums_at(const std::int32_t* p) {
    const auto* q = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void keep(Sums a, std::int32_t* p) {
    auto* q = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(q, a.lo), _mm256_storeu_si256(q + 1, a.hi);
}
#else
struct Sums {
    std::int32_t v[WIDE];
};
inline Sums sums_at(const std::int32_t* p) {
    Sums r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
}
inline void keep(Sums a, std::int32_t* p) { std::memcpy(p, a.v, sizeof a.v); }
#endif

// What G inputs and weights are stored as.
template <int G>
using Input = std::conditional_t<G == 4, std::uint8_t, std::int16_t>;
template <int G>
using Weight = std::conditional_t<G == 4, std::int8_t, std::int16_t>;

template <int G>
inline Sums plain(Sums a, const Input<G>* x, const Weight<G>* w) {
    std::int32_t sum[WIDE];
    keep(a, sum);
    for (int o = 0; o < WIDE; ++o) {
        for (int i = 0; i < G; ++i) sum[o] += std::int32_t{x[i]} * w[o * G + i];
    }
    return sums_at(sum);
}

template <int G>
inline Sums multiply(Sums a, const Input<G>* x, const Weight<G>* w) {
#if defined(__AVX2__)
    std::int32_t word;
    std::memcpy(&word, x, sizeof word);
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    const __m512i all = _mm512_set1_epi32(word), by = _mm512_loadu_si512(w);
    if constexpr (G == 4) return {_mm512_dpbusd_epi32(a.v, all, by)};
    return {_mm512_dpwssd_epi32(a.v, all, by)};
#elif defined(__AVX512BW__)
    if constexpr (G == 4) return plain<G>(a, x, w);
    const __m512i all = _mm512_set1_epi32(word), by = _mm512_loadu_si512(w);
    return {_mm512_add_epi32(a.v, _mm512_madd_epi16(all, by))};
#elif defined(__AVX2__)
    if constexpr (G == 4) return plain<G>(a, x, w);
    const __m256i all = _mm256_set1_epi32(word);
    const auto* q = reinterpret_cast<const __m256i*>(w);
    return {_mm256_add_epi32(a.lo, _mm256_madd_epi16(all, _mm256_loadu_si256(q))),
            _mm256_add_epi32(a.hi, _mm256_madd_epi16(all, _mm256_loadu_si256(q + 1)))};
#else
    return plain<G>(a, x, w);
#endif
}

template <int G, int K, int V, int R, int LD, int OUTS, class Y>
inline void block_of(const Input<G>* x, const Weight<G>* w, const std::int32_t* start, int first,
                     Y* __restrict y) {
    Sums sum[R][V];
    for (int r = 0; r < R; ++r) {
        for (int v = 0; v < V; ++v) sum[r][v] = sums_at(start + v * WIDE);
    }
    for (int k = 0; k < K; ++k) {
        for (int v = 0; v < V; ++v) {
            for (int r = 0; r < R; ++r) {
                sum[r][v] = multiply<G>(sum[r][v], x + r * LD + k * G, w + (k * V + v) * WIDE * G);
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        for (int v = 0; v < V; ++v) {
            std::int32_t one[WIDE];
            keep(sum[r][v], one);
            const int at = first + v * WIDE, many = OUTS - at < WIDE ? OUTS - at : WIDE;
            for (int o = 0; o < many; ++o) y[r * OUTS + at + o] = static_cast<Y>(one[o]);
        }
    }
}

// R rows, all outputs.
template <int G, int INS, int OUTS, int R, class X, class Y>
inline void rows_of(const X* __restrict x, const Weight<G>* w, const std::int32_t* start, Y* y) {
    constexpr int K = (INS + G - 1) / G, LD = K * G, TILES = 4;
    constexpr int SHIFT = G == 4 && std::is_signed_v<X> ? 128 : 0;
    alignas(64) Input<G> given[R * LD];
    for (int r = 0; r < R; ++r) {
        for (int i = 0; i < INS; ++i) given[r * LD + i] = static_cast<Input<G>>(x[r * INS + i] + SHIFT);
        for (int i = INS; i < LD; ++i) given[r * LD + i] = 0;
    }
    constexpr int ALL = blocks(OUTS), LAST = ALL % TILES;
    for (int v = 0; v + TILES <= ALL; v += TILES) {
        block_of<G, K, TILES, R, LD, OUTS>(given, w + v * WIDE * LD, start + v * WIDE, v * WIDE, y);
    }
    if constexpr (LAST != 0) {
        constexpr int v = ALL - LAST;
        block_of<G, K, LAST, R, LD, OUTS>(given, w + v * WIDE * LD, start + v * WIDE, v * WIDE, y);
    }
}

// y[o] = sum over i of w[o][i] x[i].
template <int G, int INS, int OUTS, class X, class Y>
inline void products(const X* x, const Weight<G>* w, const std::int32_t* start, Y* y, int rows) {
    constexpr int ROWS_AT_ONCE = 4;
    int r = 0;
    for (; r + ROWS_AT_ONCE <= rows; r += ROWS_AT_ONCE) {
        rows_of<G, INS, OUTS, ROWS_AT_ONCE>(x + r * INS, w, start, y + r * OUTS);
    }
    for (; r < rows; ++r) rows_of<G, INS, OUTS, 1>(x + r * INS, w, start, y + r * OUTS);
}

}  // namespace gs
