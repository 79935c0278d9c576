// Products of layers most of whose weights are 0, sixteen rows side by side.
//
// G inputs are one 32-bit word as in products.h. A row of the result keeps the words of its weights
// that are not all 0, each with its place; one of them is spread over all lanes and multiplied with
// that word of sixteen rows, which are turned for this: [word][row]. As much is done by one
// instruction as in the dense kernel, for as many words as are left. A few rows alone are not worth
// the turning: they take single weights (ints.h).
#pragma once
#include "ints.h"
#include "products.h"

namespace gs {

// Each of sixteen words of x with one of w.
template <int G>
inline Sums spread_multiply(Sums a, const std::int32_t* x, std::int32_t w) {
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    const __m512i all = _mm512_set1_epi32(w), rows = _mm512_loadu_si512(x);
    if constexpr (G == 4) return {_mm512_dpbusd_epi32(a.v, rows, all)};
    return {_mm512_dpwssd_epi32(a.v, rows, all)};
#else
    if constexpr (G == 2) {
#if defined(__AVX512BW__)
        const __m512i rows = _mm512_loadu_si512(x);
        return {_mm512_add_epi32(a.v, _mm512_madd_epi16(rows, _mm512_set1_epi32(w)))};
#elif defined(__AVX2__)
        const __m256i all = _mm256_set1_epi32(w);
        const auto* q = reinterpret_cast<const __m256i*>(x);
        return {_mm256_add_epi32(a.lo, _mm256_madd_epi16(_mm256_loadu_si256(q), all)),
                _mm256_add_epi32(a.hi, _mm256_madd_epi16(_mm256_loadu_si256(q + 1), all))};
#endif
    }
    std::int32_t sum[WIDE];
    keep(a, sum);
    Weight<G> by[G];
    std::memcpy(by, &w, sizeof by);
    for (int r = 0; r < WIDE; ++r) {
        Input<G> given[G];
        std::memcpy(given, x + r, sizeof given);
        for (int i = 0; i < G; ++i) sum[r] += std::int32_t{given[i]} * by[i];
    }
    return sums_at(sum);
#endif
}

// V * 16 rows, of which ``many`` are there.
template <int G, int INS, int OUTS, int V, class X, class Y>
inline void turned(const X* __restrict x, const std::int32_t* begin, const std::int32_t* first,
                   const std::int32_t* place, const std::int32_t* w, Y* __restrict y, int many) {
    constexpr int K = (INS + G - 1) / G, R = V * WIDE;
    constexpr int SHIFT = G == 4 && std::is_signed_v<X> ? 128 : 0;
    alignas(64) static thread_local std::int32_t rows[K * R];
    Input<G> given[K * G] = {};
    for (int r = 0; r < many; ++r) {
        for (int i = 0; i < INS; ++i) given[i] = static_cast<Input<G>>(x[r * INS + i] + SHIFT);
        for (int k = 0; k < K; ++k) std::memcpy(rows + k * R + r, given + k * G, 4);
    }
    for (int o = 0; o < OUTS; ++o) {
        std::int32_t one[R];
        std::fill(one, one + R, begin[o]);
        Sums sum[V];
        for (int v = 0; v < V; ++v) sum[v] = sums_at(one + v * WIDE);
        for (int n = first[o]; n < first[o + 1]; ++n) {
            const std::int32_t* at = rows + place[n] * R;
            for (int v = 0; v < V; ++v) sum[v] = spread_multiply<G>(sum[v], at + v * WIDE, w[n]);
        }
        for (int v = 0; v < V; ++v) keep(sum[v], one + v * WIDE);
        for (int r = 0; r < many; ++r) y[r * OUTS + o] = static_cast<Y>(one[r]);
    }
}

// y[o] = sum over i of w[o][i] x[i].
template <int G, int INS, int OUTS, class X, class S, class Y>
inline void groups(const X* x, const std::int32_t* begin, const std::int32_t* first,
                   const std::int32_t* place, const std::int32_t* w, const std::int32_t* start,
                   const std::int32_t* single, const S* weight, Y* y, int rows) {
    constexpr int FEW = 5, MANY = 4 * WIDE;
    int r = 0;
    for (; r + MANY <= rows; r += MANY) {
        turned<G, INS, OUTS, 4>(x + r * INS, begin, first, place, w, y + r * OUTS, MANY);
    }
    for (; r + FEW <= rows; r += WIDE) {
        const int many = rows - r < WIDE ? rows - r : WIDE;
        turned<G, INS, OUTS, 1>(x + r * INS, begin, first, place, w, y + r * OUTS, many);
    }
    if (r < rows) {
        sparse<std::int32_t, INS, OUTS>(x + r * INS, start, single, weight, y + r * OUTS, rows - r);
    }
}

}  // namespace gs
