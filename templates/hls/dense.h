// dense.h: a matrix-vector product folded to PE outputs and SIMD inputs a cycle.
//
// A vector of SF beats is passed over NF times; each pass uses a word of PE x SIMD weights a beat and
// gives a beat of PE sums. With GROUPS, vector v has the weights of group v modulo GROUPS.
//
// C: X (Elem), X_W, Y_W, Y (Elem), PE, SIMD, SF, NF, VECTORS, GROUPS, DEPTH (words of weights), KIND,
//    CODES and MASKED (how an input is read), W_B and W_SIGNED (a weight), ACC and REACH (bits of the
//    sum and of any partial sum).
#ifndef GS_DENSE_H
#define GS_DENSE_H

#include "types.h"

namespace gs {

// How an input meets a weight.
enum Kind {
    COUNT,    // both are one bit: 1 where they are equal, so that the sum is the code of the sum
    COPY,     // the weight is 1
    SIGN_X,   // the weight is a sign, the input a number
    SIGN_W,   // the input is a sign, the weight a number
    PRODUCT,  // both are numbers
};

template <int KIND, class A>
struct Term {};
template <class A>
struct Term<COUNT, A> {
    template <class X, class W>
    static A of(X x, W w) {
#pragma HLS INLINE
        return A(x == w);
    }
};
template <class A>
struct Term<COPY, A> {
    template <class X, class W>
    static A of(X x, W) {
#pragma HLS INLINE
        return A(x);
    }
};
template <class A>
struct Term<SIGN_X, A> {
    template <class X, class W>
    static A of(X x, W w) {
#pragma HLS INLINE
        A a = A(x), b = A(-a);
        return w != 0 ? a : b;
    }
};
template <class A>
struct Term<SIGN_W, A> {
    template <class X, class W>
    static A of(X x, W w) {
#pragma HLS INLINE
        A a = A(w), b = A(-a);
        return x != 0 ? a : b;
    }
};
template <class A>
struct Term<PRODUCT, A> {
    template <class X, class W>
    static A of(X x, W w) {
#pragma HLS INLINE
        return A(A(x) * A(w));
    }
};

// Whether the inputs of a kind are codes as they come, or the values they stand for.
template <class C>
struct Operand {
    static const bool CODE = C::KIND == COUNT || C::KIND == SIGN_W || C::CODES;
    typedef typename C::X::value_t t;
    static t of(typename C::X::code_t code) {
#pragma HLS INLINE
        return CODE ? t(code) : C::X::value(code);
    }
};

// The inputs of a beat. MASKED: they are all 0, or all of them are signs.
template <class C, int L>
void operands(const ap_uint<C::X_W>& beat, typename Operand<C>::t (&x)[L]) {
#pragma HLS INLINE
    typename C::X::code_t code[L];
#pragma HLS ARRAY_PARTITION variable=code complete
    unpack<typename C::X>(beat, code);
    for (int i = 0; i < L; i++) {
#pragma HLS UNROLL
        x[i] = Operand<C>::of(code[i]);
        if (C::MASKED) {
            const int sign = code[i] < 0 ? -1 : 1;
            x[i] = typename Operand<C>::t((int(code[0]) & 1) != 0 ? sign : 0);
        }
    }
}

// ---- weights that are stored as they are --------------------------------------------------------

template <class C>
struct PlainRom {
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    void start() {}

    template <class T, int R, int K, class A, int N>
    void word(int address, const T (&rom)[R][K], const A (&)[N], weight_t (&w)[C::PE * C::SIMD]) {
#pragma HLS INLINE
        fetch<C::W_B, C::W_SIGNED>(rom[address], w);
    }
};

// ---- weights as indices into a table of the values they take -------------------------------------

template <class C>
struct CodebookRom {
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    void start() {}

    template <class T, int R, int K, class A, int N>
    void word(int address, const T (&rom)[R][K], const A (&table)[N], weight_t (&w)[C::PE * C::SIMD]) {
#pragma HLS INLINE
        typename Integers<C::INDEX_B>::u index[C::PE * C::SIMD];
#pragma HLS ARRAY_PARTITION variable=index complete
        fetch<C::INDEX_B, false>(rom[address], index);
        for (int i = 0; i < C::PE * C::SIMD; i++) {
#pragma HLS UNROLL
            w[i] = weight_t(extended(u64(table[int(index[i])]), C::W_B, C::W_SIGNED));
        }
    }
};

// ---- weights shared by a hash of their places ---------------------------------------------------

inline bool parity(u64 bits) {
#pragma HLS INLINE
    bits ^= bits >> 32;
    bits ^= bits >> 16;
    bits ^= bits >> 8;
    bits ^= bits >> 4;
    bits ^= bits >> 2;
    bits ^= bits >> 1;
    return bits & 1;
}

// Row 0 of rom: masks of the bits that the next state has parities of, from beat to beat (DEGREE of
// them), from pass to pass (DEGREE), and of the place of each lane (INDEX_B for each).
template <class C>
struct HashedRom {
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;

    u64 beat, pass;
    int at;  // beat of the pass

    void start() {
        beat = 1;
        pass = 1;
        at = 0;
    }

    template <class T, int R, int K>
    static u64 next(u64 state, const T (&rom)[R][K], int first) {
#pragma HLS INLINE
        u64 result = 0;
        for (int bit = 0; bit < C::DEGREE; bit++) {
#pragma HLS UNROLL
            result |= u64(parity(state & u64(rom[0][first + bit]))) << bit;
        }
        return result;
    }

    template <class T, int R, int K, class A, int N>
    void word(int, const T (&rom)[R][K], const A (&table)[N], weight_t (&w)[C::PE * C::SIMD]) {
#pragma HLS INLINE
        for (int i = 0; i < C::PE * C::SIMD; i++) {
#pragma HLS UNROLL
            int place = 0;
            for (int bit = 0; bit < C::INDEX_B; bit++) {
#pragma HLS UNROLL
                place |= int(parity(beat & u64(rom[0][2 * C::DEGREE + i * C::INDEX_B + bit]))) << bit;
            }
            w[i] = weight_t(extended(u64(table[place]), C::W_B, C::W_SIGNED));
        }
        if (at == C::SF - 1) {
            at = 0;
            pass = next(pass, rom, C::DEGREE);
            beat = pass;
        } else {
            at++;
            beat = next(beat, rom, 0);
        }
    }
};

// ---- Huffman coded weights ----------------------------------------------------------------------

// Row s of rom is the stream of decoder s, CODED_B bits a word, its first symbol at bit starts[s].
// table[window] of the next LONGEST bits: the symbol (GROUP weights), above it the code's length.
template <class C>
struct HuffmanRom {
    typedef typename CodeType<C::W_SIGNED, C::W_B>::t weight_t;
    static const int STREAMS = C::PE * C::SIMD / C::GROUP;

    int place[STREAMS];

    void start() {
        for (int s = 0; s < STREAMS; s++) {
#pragma HLS UNROLL
            place[s] = -1;
        }
    }

    template <class T, int R, int K, class A, int N>
    void word(int, const T (&rom)[R][K], const A (&table)[N], weight_t (&w)[C::PE * C::SIMD]) {
#pragma HLS INLINE
        for (int s = 0; s < STREAMS; s++) {
#pragma HLS UNROLL
            const int at = place[s] < 0 ? int(rom[s][0]) : place[s];
            const int k = at / C::CODED_B, shift = at % C::CODED_B;
            const u64 low = u64(rom[s][1 + k]);
            const u64 high = 2 + k < K ? u64(rom[s][2 + k]) : 0;
            const u64 window = low_bits((low | high << C::CODED_B) >> shift, C::LONGEST);
            const u64 entry = u64(table[int(window)]);
            place[s] = at + int(entry >> (C::GROUP * C::W_B));
            for (int g = 0; g < C::GROUP; g++) {
#pragma HLS UNROLL
                w[s * C::GROUP + g] = weight_t(extended(entry >> (g * C::W_B), C::W_B, C::W_SIGNED));
            }
        }
    }
};

// ---- the unit -----------------------------------------------------------------------------------

template <class C, template <class> class Rom, class T, int R, int K, class A, int N>
void dense(hls::stream<ap_uint<C::X_W> >& s, hls::stream<ap_uint<C::Y_W> >& m, const T (&rom)[R][K],
           const A (&table)[N]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    typedef typename Accumulator<C::ACC, C::REACH>::t sum_t;

    ap_uint<C::X_W> kept[C::SF];  // the vector, for the passes behind the first
    sum_t sums[C::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
    Rom<C> weights;
    int word = 0;  // (group * NF + pass) * SF + beat

    for (int vector = 0; vector < C::VECTORS; vector++) {
        for (int pass = 0; pass < C::NF; pass++) {
            for (int beat = 0; beat < C::SF; beat++) {
#pragma HLS PIPELINE II=1
                if (word == 0) weights.start();
                if (pass == 0) kept[beat] = s.read();
                typename Operand<C>::t x[C::SIMD];
#pragma HLS ARRAY_PARTITION variable=x complete
                typename Rom<C>::weight_t w[C::PE * C::SIMD];
#pragma HLS ARRAY_PARTITION variable=w complete
                operands<C>(kept[beat], x);
                weights.word(word, rom, table, w);
                for (int p = 0; p < C::PE; p++) {
#pragma HLS UNROLL
                    sum_t sum = 0;
                    for (int i = 0; i < C::SIMD; i++) {
#pragma HLS UNROLL
                        sum += Term<C::KIND, sum_t>::of(x[i], w[p * C::SIMD + i]);
                    }
                    sums[p] = beat == 0 ? sum : sum_t(sums[p] + sum);
                }
                if (beat == C::SF - 1) {
                    ap_uint<C::Y_W> out;
                    pack<typename C::Y>(sums, out);
                    m.write(out);
                }
                word = word == C::DEPTH - 1 ? 0 : word + 1;
            }
        }
    }
}

}  // namespace gs

#endif
