// types.h: integers of any width, codes and values of elements, beats of streams, memories.
//
// A beat is an ap_uint of LANES * BITS bits; element i is the bits [i * BITS +: BITS], as in the RTL.
// Between unpack and pack arithmetic works on arrays of elements.
//
// Integers<B> are ap_int<B> and ap_uint<B> in synthesis, and in C simulation with GS_AP_INT. Without
// it C simulation takes the machine's integers of B bits or more: the same results, several times as
// fast, because every range is known and what leaves a block is cut to its width. GS_CHUNKS lets
// pack and unpack reach into the open ap_int headers (ap_private) 64 bits at a time.
#ifndef GS_TYPES_H
#define GS_TYPES_H

// Beats may be wider than the 1024 bits of ap_int.h's default; this is the most that it allows.
#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 32768
#endif
#include <ap_int.h>
#include <hls_stream.h>

namespace gs {

typedef unsigned long long u64;
typedef long long s64;

// ---- integers -----------------------------------------------------------------------------------

template <int BYTES>
struct Machine {  // 8: the widest
    typedef s64 s;
    typedef u64 u;
};
template <>
struct Machine<1> {
    typedef signed char s;
    typedef unsigned char u;
};
template <>
struct Machine<2> {
    typedef short s;
    typedef unsigned short u;
};
template <>
struct Machine<4> {
    typedef int s;
    typedef unsigned int u;
};

#if defined(__SYNTHESIS__) || defined(GS_AP_INT)
template <int B>
struct Integers {
    typedef ap_int<B> s;
    typedef ap_uint<B> u;
};
#else
template <int B>
struct Integers {
    static_assert(B >= 1 && B <= 64, "machine integers have 64 bits");
    typedef Machine<B <= 8 ? 1 : B <= 16 ? 2 : B <= 32 ? 4 : 8> M;
    typedef typename M::s s;
    typedef typename M::u u;
};
#endif

// Accumulator of BITS bits, whose sums are right modulo 2**BITS; no partial sum has more than
// REACH bits.
template <int BITS, int REACH>
struct Accumulator {
#if defined(__SYNTHESIS__) || defined(GS_AP_INT)
    typedef ap_int<BITS> t;
#else
    typedef typename Integers<(REACH < 32 ? 32 : 64)>::s t;
#endif
};

template <bool SIGNED, int B>
struct CodeType {
    typedef typename Integers<B>::u t;
};
template <int B>
struct CodeType<true, B> {
    typedef typename Integers<B>::s t;
};

// Integers LO, LO + STEP, ...: on wires as codes of BITS bits. With STEP 1 the code is the value, in
// two's complement where it is SIGNED; else code c stands for LO + STEP * c. VALUE bits hold every
// value and every code, with a sign.
template <int BITS_, bool SIGNED_, s64 LO, s64 STEP, int VALUE>
struct Elem {
    static const int BITS = BITS_;
    static const bool SIGNED = SIGNED_;
    static const int VALUE_BITS = VALUE;
    typedef typename CodeType<SIGNED_, BITS_>::t code_t;
    typedef typename Integers<VALUE>::s value_t;

    static value_t value(code_t code) {
#pragma HLS INLINE
        value_t c = code;
        return STEP == 1 ? c : value_t(value_t(LO) + value_t(STEP) * c);
    }
    static value_t code_of(value_t value) {
#pragma HLS INLINE
        return STEP == 1 ? value : value_t(value_t(value - value_t(LO)) / value_t(STEP));
    }
};

// ---- beats --------------------------------------------------------------------------------------

inline u64 low_bits(u64 word, int bits) {
#pragma HLS INLINE
    return bits < 64 ? word & ((1ULL << (bits & 63)) - 1) : word;
}

// A number of `bits` bits with its sign, where it has one.
inline s64 extended(u64 word, int bits, bool is_signed) {
#pragma HLS INLINE
    return is_signed ? s64(word << (64 - bits)) >> (64 - bits) : s64(low_bits(word, bits));
}

// Codes of the elements of a beat, of type E.
template <class E, int L, int W, class T>
void unpack(const ap_uint<W>& beat, T (&x)[L]) {
#pragma HLS INLINE
#ifdef GS_CHUNKS
    u64 chunk[(W + 63) / 64 + 1];
    for (int k = 0; k < (W + 63) / 64; k++) chunk[k] = u64(beat.V.get_pVal(k));
    chunk[(W + 63) / 64] = 0;
    for (int i = 0; i < L; i++) {
        const int at = i * E::BITS, shift = at % 64;
        u64 word = chunk[at / 64] >> shift;
        if (shift + E::BITS > 64) word |= chunk[at / 64 + 1] << (64 - shift);
        x[i] = T(extended(word, E::BITS, E::SIGNED));
    }
#else
    for (int i = 0; i < L; i++) {
#pragma HLS UNROLL
        const ap_uint<E::BITS> code = beat.range(i * E::BITS + E::BITS - 1, i * E::BITS);
        x[i] = T(extended(u64(code), E::BITS, E::SIGNED));
    }
#endif
}

// The lowest E::BITS bits of each element, as a beat.
template <class E, int L, int W, class T>
void pack(const T (&y)[L], ap_uint<W>& beat) {
#pragma HLS INLINE
#ifdef GS_CHUNKS
    u64 chunk[(W + 63) / 64 + 1] = {0};
    for (int i = 0; i < L; i++) {
        const int at = i * E::BITS, shift = at % 64;
        const u64 word = low_bits(u64(s64(y[i])), E::BITS);
        chunk[at / 64] |= word << shift;
        if (shift + E::BITS > 64) chunk[at / 64 + 1] |= word >> (64 - shift);
    }
    for (int k = 0; k < (W + 63) / 64; k++) beat.V.set_pVal(k, chunk[k]);
#else
    for (int i = 0; i < L; i++) {
#pragma HLS UNROLL
        beat.range(i * E::BITS + E::BITS - 1, i * E::BITS) = ap_uint<E::BITS>(y[i]);
    }
#endif
}

// ---- memories -----------------------------------------------------------------------------------

// Memories are arrays of machine words, a row of them for each word of the RTL's memory. Element i
// of a row stands in word i / PER, bits [i % PER * B +: B], where PER is as many as fit.

// All elements of a row; SIGNED as in Elem.
template <int B, bool SIGNED, int N, class T, int K, class V>
void fetch(const T (&row)[K], V (&values)[N]) {
#pragma HLS INLINE
    const int per = int(sizeof(T)) * 8 / B;
    for (int k = 0; k < K; k++) {
#pragma HLS UNROLL
        for (int j = 0; j < per; j++) {
#pragma HLS UNROLL
            if (k * per + j < N) {
                values[k * per + j] = V(extended(u64(row[k]) >> (j * B), B, SIGNED));
            }
        }
    }
}

}  // namespace gs

#endif
