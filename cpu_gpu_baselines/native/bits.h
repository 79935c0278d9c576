// Values of -1 and +1 as packed bits (1 is +1), and products of matrices of them.
//
// A vector of N values is words(N) 64-bit words, value i on bit i % 64 of word i / 64; bits behind
// the last value are 0 in inputs and weights alike, so that they never differ. Values of -1, 0, +1
// have a second plane of the same form: 1 where the value is not 0.
//
//     sum = N - 2 * ones(x ^ w)                       x and w of -1 and +1
//     sum = ones(m) - 2 * ones((x ^ w) & m)           m = mask of x and mask of w
//
// Weights are tiles of up to 32 outputs (the last one may have fewer, in eights):
// [tile][word][output], with masks [tile][word][plane][output].
#pragma once
#include <type_traits>

#include "lanes.h"

namespace gs {

constexpr int words(int n) { return (n + 63) / 64; }
constexpr int vectors(int outs) { return (outs + LANES - 1) / LANES; }
constexpr int TILE = 4;  // vectors of 8 outputs
constexpr int ROWS = 4;  // inputs that share a load of weights

// One vector of ints to bits: x > 0.
template <class T>
inline u64 pack_word(const T* x, int n) {
    u64 word = 0;
    for (int i = 0; i < n; ++i) word |= static_cast<u64>(x[i] > 0) << i;
    return word;
}

#if defined(__AVX512BW__)
template <>
inline u64 pack_word(const std::int8_t* x, int n) {
    const __mmask64 some = n == 64 ? ~0ULL : (1ULL << n) - 1;
    return _mm512_cmpgt_epi8_mask(_mm512_maskz_loadu_epi8(some, x), _mm512_setzero_si512());
}
#endif

template <int N, class T>
inline void pack(const T* __restrict x, u64* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += N, y += words(N)) {
        for (int w = 0; w < N / 64; ++w) y[w] = pack_word(x + 64 * w, 64);
        if constexpr (N % 64 != 0) y[N / 64] = pack_word(x + N / 64 * 64, N % 64);
    }
}

// Signs, then where they count: the two planes of a vector stand one behind the other.
template <int N, class T>
inline void pack_masked(const T* __restrict x, u64* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += N, y += 2 * words(N)) {
        for (int w = 0; w < words(N); ++w) {
            u64 sign = 0, mask = 0;
            for (int i = 0; i < (N - 64 * w < 64 ? N - 64 * w : 64); ++i) {
                sign |= static_cast<u64>(x[64 * w + i] > 0) << i;
                mask |= static_cast<u64>(x[64 * w + i] != 0) << i;
            }
            y[w] = sign, y[words(N) + w] = mask;
        }
    }
}

// Bits of -1 and +1, and every one of them counts.
template <int N>
inline void all_count(const u64* __restrict x, u64* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += words(N), y += 2 * words(N)) {
        for (int w = 0; w < words(N); ++w) {
            y[w] = x[w];
            y[words(N) + w] = 64 * (w + 1) <= N ? ~0ULL : (1ULL << N % 64) - 1;
        }
    }
}

template <int N, class T>
inline void unpack(const u64* __restrict x, T* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += words(N), y += N) {
        for (int i = 0; i < N; ++i) y[i] = static_cast<T>((x[i / 64] >> (i % 64) & 1) * 2 - 1);
    }
}

// Sums of R rows with V vectors of outputs of one tile.
template <int INS, bool MASKED, int V, int R, class Take>
inline void tile(const u64* __restrict x, const u64* __restrict w, Take take) {
    constexpr int W = words(INS), STEP = V * LANES;
    Lanes differ[R][V], count[R][V];
    for (int r = 0; r < R; ++r) {
        for (int v = 0; v < V; ++v) differ[r][v] = zero(), count[r][v] = zero();
    }
    for (int k = 0; k < W; ++k) {
        for (int v = 0; v < V; ++v) {
            if constexpr (MASKED) {
                const Lanes sign = load(w + 2 * k * STEP + v * LANES);
                const Lanes mask = load(w + (2 * k + 1) * STEP + v * LANES);
                for (int r = 0; r < R; ++r) {
                    const Lanes m = both(mask, spread(x[r * 2 * W + W + k]));
                    const Lanes d = both(exclusive(sign, spread(x[r * 2 * W + k])), m);
                    differ[r][v] = add(differ[r][v], ones(d));
                    count[r][v] = add(count[r][v], ones(m));
                }
            } else {
                const Lanes sign = load(w + k * STEP + v * LANES);
                for (int r = 0; r < R; ++r) {
                    const Lanes d = exclusive(sign, spread(x[r * W + k]));
                    differ[r][v] = add(differ[r][v], ones(d));
                }
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        Lanes sums[V];
        for (int v = 0; v < V; ++v) {
            const Lanes all = MASKED ? count[r][v] : spread(INS);
            sums[v] = sub(all, add(differ[r][v], differ[r][v]));
        }
        take(r, sums);
    }
}

// All sums of all rows; take(row, first vector, count of vectors, sums). A tile of weights stays in
// the nearest cache while the rows pass.
template <int INS, int OUTS, bool MASKED, class Take>
inline void sums(const u64* x, const u64* w, int rows, Take take) {
    constexpr int PLANES = MASKED ? 2 : 1, STRIDE = PLANES * words(INS);
    const auto pass = [&](auto width, int first, const u64* weights) {
        constexpr int V = decltype(width)::value;
        constexpr int AT_ONCE = MASKED ? 1 : ROWS;  // registers for two sums a row are scarce
        const auto give = [&](int row) {
            return [&take, row, first](int r, const Lanes* s) {
                take(row + r, first, V, s);
            };
        };
        int row = 0;
        for (; row + AT_ONCE <= rows; row += AT_ONCE) {
            tile<INS, MASKED, V, AT_ONCE>(x + row * STRIDE, weights, give(row));
        }
        for (; row < rows; ++row) {
            tile<INS, MASKED, V, 1>(x + row * STRIDE, weights, give(row));
        }
    };
    constexpr int ALL = vectors(OUTS), LAST = ALL % TILE;
    for (int v = 0; v + TILE <= ALL; v += TILE) {
        pass(std::integral_constant<int, TILE>{}, v, w + v * LANES * STRIDE);
    }
    if constexpr (LAST != 0) {
        pass(std::integral_constant<int, LAST>{}, ALL - LAST, w + (ALL - LAST) * LANES * STRIDE);
    }
}

// y = x W: sums as ints.
template <int INS, int OUTS, bool MASKED, class T>
inline void xnor(const u64* x, const u64* w, T* __restrict y, int rows) {
    sums<INS, OUTS, MASKED>(x, w, rows, [=](int row, int first, int count, const Lanes* s) {
        std::int64_t one[LANES];
        for (int v = 0; v < count; ++v) {
            store(s[v], one);
            const int at = (first + v) * LANES;
            const int many = OUTS - at < LANES ? OUTS - at : LANES;
            for (int i = 0; i < many; ++i) y[row * OUTS + at + i] = static_cast<T>(one[i]);
        }
    });
}

// y = x W compared with a threshold an output: bits. ``at`` is padded with what no sum reaches,
// ``flip`` (a bit an output) turns falling outputs round.
template <int INS, int OUTS, bool MASKED>
inline void xnor_bits(const u64* x, const u64* w, const std::int64_t* at, const std::uint8_t* flip,
                      u64* y, int rows) {
    constexpr int BYTES = words(OUTS) * 8;
    auto* bytes = reinterpret_cast<std::uint8_t*>(y);
    if constexpr (OUTS % 64 != 0) {  // bytes that no vector of outputs writes
        for (int r = 0; r < rows; ++r) y[r * words(OUTS) + OUTS / 64] = 0;
    }
    sums<INS, OUTS, MASKED>(x, w, rows, [=](int row, int first, int count, const Lanes* s) {
        for (int v = 0; v < count; ++v) {
            const unsigned bits = reached(s[v], load(at + (first + v) * LANES));
            bytes[row * BYTES + first + v] = static_cast<std::uint8_t>(bits ^ flip[first + v]);
        }
    });
}

}  // namespace gs
