// Layers of integers, one function each; what they mean is in gatesmith/ops.
//
// Arrays are row-major, channels last, one frame behind the other. Template arguments are what the
// network fixes, ``rows`` counts channel vectors. Types are wide enough for every value that the
// ranges of the network allow (source.py): nothing wraps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace gs {

// Four outputs share a load of x.
template <class A, int N, class X, class W>
inline void dots(const X* __restrict x, const W* __restrict w, A* __restrict sum) {
    const W *w0 = w, *w1 = w + N, *w2 = w + 2 * N, *w3 = w + 3 * N;
    A a = 0, b = 0, c = 0, d = 0;
    for (int i = 0; i < N; ++i) {
        const A v = x[i];
        a += v * static_cast<A>(w0[i]), b += v * static_cast<A>(w1[i]);
        c += v * static_cast<A>(w2[i]), d += v * static_cast<A>(w3[i]);
    }
    sum[0] = a, sum[1] = b, sum[2] = c, sum[3] = d;
}

// y[o] = sum over i of w[o][i] x[i], by group. Weights [output][input].
template <class A, int GROUPS, int INS, int OUTS, class X, class W, class Y>
inline void dense(const X* __restrict x, const W* __restrict w, Y* __restrict y, int rows) {
    constexpr int EACH = OUTS / GROUPS;
    for (int r = 0; r < rows; ++r) {
        for (int g = 0; g < GROUPS; ++g) {
            const X* at = x + (r * GROUPS + g) * INS;
            Y* to = y + r * OUTS + g * EACH;
            const W* of = w + g * EACH * INS;
            int o = 0;
            for (; o + 4 <= EACH; o += 4) {
                A sum[4];
                dots<A, INS>(at, of + o * INS, sum);
                for (int k = 0; k < 4; ++k) to[o + k] = static_cast<Y>(sum[k]);
            }
            for (; o < EACH; ++o) {
                A sum = 0;
                for (int i = 0; i < INS; ++i) sum += static_cast<A>(at[i]) * of[o * INS + i];
                to[o] = static_cast<Y>(sum);
            }
        }
    }
}

// The same where most weights are 0: those of output o are start[o] .. start[o + 1] - 1, each with
// its input (of all groups).
template <class A, int INS, int OUTS, class X, class W, class Y>
inline void sparse(const X* __restrict x, const std::int32_t* start, const std::int32_t* place,
                   const W* __restrict w, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += INS) {
        for (int o = 0; o < OUTS; ++o) {
            A even = 0, odd = 0;
            int n = start[o];
            for (; n + 2 <= start[o + 1]; n += 2) {
                even += static_cast<A>(x[place[n]]) * static_cast<A>(w[n]);
                odd += static_cast<A>(x[place[n + 1]]) * static_cast<A>(w[n + 1]);
            }
            if (n < start[o + 1]) even += static_cast<A>(x[place[n]]) * static_cast<A>(w[n]);
            y[r * OUTS + o] = static_cast<Y>(even + odd);
        }
    }
}

// y = LO + STEP * (number of thresholds reached). Thresholds [threshold][channel]; factor 1, or -1
// on falling channels, whose ``base`` is their number.
template <class A, int K, int C, int LO, int STEP, class X, class Y>
inline void threshold(const X* __restrict x, const A* __restrict at, const std::int32_t* factor,
                      const std::int32_t* base, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += C, y += C) {
        std::int32_t count[C] = {};
        for (int k = 0; k < K; ++k) {
            for (int c = 0; c < C; ++c) count[c] += static_cast<A>(x[c]) >= at[k * C + c];
        }
        for (int c = 0; c < C; ++c) {
            y[c] = static_cast<Y>(LO + STEP * (base[c] + factor[c] * count[c]));
        }
    }
}

template <class A, int SHIFT, bool EVEN>
inline A shifted(A value) {
    if constexpr (EVEN) {
        value += A{1} << (SHIFT - 1);
        const A tie = (value & ((A{1} << SHIFT) - 1)) == 0;
        return (value >> SHIFT) & ~tie;
    } else {
        return value >> SHIFT;
    }
}

template <class A, int C, int SHIFT, bool EVEN, long LO, long HI, class X, class Y>
inline void requantize(const X* __restrict x, const A* __restrict mul, const A* __restrict add,
                       Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += C, y += C) {
        for (int c = 0; c < C; ++c) {
            const A value = shifted<A, SHIFT, EVEN>(static_cast<A>(x[c]) * mul[c] + add[c]);
            y[c] = static_cast<Y>(std::clamp<A>(value, LO, HI));
        }
    }
}

template <class A, int C, int SHIFT, bool EVEN, long LO, long HI, class X, class Z, class Y>
inline void join(const X* __restrict x, const Z* __restrict z, const A* __restrict mul_x,
                 const A* __restrict mul_z, const A* __restrict add, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += C, z += C, y += C) {
        for (int c = 0; c < C; ++c) {
            const A sum = static_cast<A>(x[c]) * mul_x[c] + static_cast<A>(z[c]) * mul_z[c];
            const A value = shifted<A, SHIFT, EVEN>(sum + add[c]);
            y[c] = static_cast<Y>(std::clamp<A>(value, LO, HI));
        }
    }
}

// Values of one channel stand together; STRIDE 0: the same for all channels.
template <int C, int STRIDE, long LO, long STEP, class X, class T, class Y>
inline void table(const X* __restrict x, const T* __restrict values, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += C, y += C) {
        for (int c = 0; c < C; ++c) {
            y[c] = static_cast<Y>(values[c * STRIDE + (static_cast<long>(x[c]) - LO) / STEP]);
        }
    }
}

template <class A, class X, class Z, class Y>
inline void product(const X* __restrict x, const Z* __restrict z, Y* __restrict y, int size) {
    for (int i = 0; i < size; ++i) y[i] = static_cast<Y>(static_cast<A>(x[i]) * z[i]);
}

template <bool MAX, class A, class X, class Z, class Y>
inline void select(const X* __restrict x, const Z* __restrict z, Y* __restrict y, int size) {
    for (int i = 0; i < size; ++i) {
        const A a = x[i], b = z[i];
        y[i] = static_cast<Y>(MAX ? std::max(a, b) : std::min(a, b));
    }
}

// Taps of a kernel (rows, columns), their distance, and the distance of windows.
template <int KH, int KW, int SH, int SW, int TOP, int LEFT, int DH, int DW>
struct Kernel {
    static constexpr int kh = KH, kw = KW;
    static int row(int p, int i) { return p * SH + i * DH - TOP; }
    static int column(int q, int j) { return q * SW + j * DW - LEFT; }
};

// [position][group][tap][channel of the group]; ``fill`` has a value for each channel.
template <class K, int H, int W, int C, int OH, int OW, int GROUPS, class X, class Y>
inline void window(const X* __restrict x, const Y* __restrict fill, Y* __restrict y, int frames) {
    constexpr int EACH = C / GROUPS;
    const auto copy = [](const auto* from, Y* to) {
        for (int c = 0; c < EACH; ++c) to[c] = static_cast<Y>(from[c]);
    };
    for (int f = 0; f < frames; ++f, x += H * W * C) {
        for (int p = 0; p < OH; ++p) {
            for (int q = 0; q < OW; ++q) {
                for (int g = 0; g < GROUPS; ++g) {
                    for (int i = 0; i < K::kh; ++i) {
                        for (int j = 0; j < K::kw; ++j, y += EACH) {
                            const int r = K::row(p, i), s = K::column(q, j);
                            if (r >= 0 && r < H && s >= 0 && s < W) {
                                copy(x + (r * W + s) * C + g * EACH, y);
                            } else {
                                copy(fill + g * EACH, y);
                            }
                        }
                    }
                }
            }
        }
    }
}

// Weights [tap][channel].
template <class A, class K, int H, int W, int C, int OH, int OW, class X, class T, class Y>
inline void depthwise(const X* __restrict x, const A* __restrict fill, const T* __restrict w,
                      Y* __restrict y, int frames) {
    for (int f = 0; f < frames; ++f, x += H * W * C) {
        for (int p = 0; p < OH; ++p) {
            for (int q = 0; q < OW; ++q, y += C) {
                A sum[C] = {};
                for (int i = 0; i < K::kh; ++i) {
                    for (int j = 0; j < K::kw; ++j) {
                        const T* of = w + (i * K::kw + j) * C;
                        const int r = K::row(p, i), s = K::column(q, j);
                        if (r >= 0 && r < H && s >= 0 && s < W) {
                            const X* at = x + (r * W + s) * C;
                            for (int c = 0; c < C; ++c) sum[c] += static_cast<A>(at[c]) * of[c];
                        } else {
                            for (int c = 0; c < C; ++c) sum[c] += fill[c] * of[c];
                        }
                    }
                }
                for (int c = 0; c < C; ++c) y[c] = static_cast<Y>(sum[c]);
            }
        }
    }
}

// Padding never wins: the first tap inside begins, and every window has one.
template <class K, int H, int W, int C, int OH, int OW, class X>
inline void max_pool(const X* __restrict x, X* __restrict y, int frames) {
    for (int f = 0; f < frames; ++f, x += H * W * C) {
        for (int p = 0; p < OH; ++p) {
            for (int q = 0; q < OW; ++q, y += C) {
                bool first = true;
                for (int i = 0; i < K::kh; ++i) {
                    for (int j = 0; j < K::kw; ++j) {
                        const int r = K::row(p, i), s = K::column(q, j);
                        if (r < 0 || r >= H || s < 0 || s >= W) continue;
                        const X* at = x + (r * W + s) * C;
                        for (int c = 0; c < C; ++c) y[c] = first || at[c] > y[c] ? at[c] : y[c];
                        first = false;
                    }
                }
            }
        }
    }
}

// Over N vectors; KIND 0 sum, 1 largest, 2 smallest.
template <int KIND, class A, int N, int C, class X, class Y>
inline void reduce(const X* __restrict x, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, y += C) {
        A found[C];
        for (int c = 0; c < C; ++c) found[c] = x[c];
        x += C;
        for (int n = 1; n < N; ++n, x += C) {
            for (int c = 0; c < C; ++c) {
                const A v = x[c];
                found[c] = KIND == 0 ? found[c] + v : KIND == 1 ? std::max(found[c], v)
                                                                : std::min(found[c], v);
            }
        }
        for (int c = 0; c < C; ++c) y[c] = static_cast<Y>(found[c]);
    }
}

// Indices of the K best of C, of equal values the first (or the LAST) first.
template <int C, int K, bool LARGEST, bool LAST, class X, class Y>
inline void top_k(const X* __restrict x, Y* __restrict y, int rows) {
    for (int r = 0; r < rows; ++r, x += C, y += K) {
        int order[C];
        for (int c = 0; c < C; ++c) order[c] = LAST ? C - 1 - c : c;
        std::stable_sort(order, order + C, [x](int a, int b) {
            return LARGEST ? x[a] > x[b] : x[a] < x[b];
        });
        for (int k = 0; k < K; ++k) y[k] = static_cast<Y>(order[k]);
    }
}

// Elements by their place; -1 is ``fill``.
template <int IN, int OUT, long FILL, class X, class Y>
inline void gather(const X* __restrict x, const std::int32_t* place, Y* __restrict y, int frames) {
    for (int f = 0; f < frames; ++f, x += IN, y += OUT) {
        for (int i = 0; i < OUT; ++i) {
            y[i] = place[i] < 0 ? static_cast<Y>(FILL) : static_cast<Y>(x[place[i]]);
        }
    }
}

// One part of a concatenation: BLOCKS times EACH elements, into frames of ALL in runs of STEP.
template <int BLOCKS, int EACH, int STEP, int AT, class X, class Y>
inline void place(const X* __restrict x, Y* __restrict y, int frames) {
    for (int b = 0; b < frames * BLOCKS; ++b) {
        for (int i = 0; i < EACH; ++i) y[b * STEP + AT + i] = static_cast<Y>(x[b * EACH + i]);
    }
}

}  // namespace gs
