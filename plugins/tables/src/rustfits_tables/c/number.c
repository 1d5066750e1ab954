/* Decimal numbers in characters (FITS 4.0, section 7.2.5). What cannot be read here, or not be rounded for certain, is
 * left to the caller: nothing is guessed.
 *
 * Rounding follows Clinger (1990) where a double holds both parts of the number, and else Lemire (2021), "Number parsing
 * at a gigabyte per second": a product of 64 and 128 bits decides in nearly every case, and it is known when not. */
#include "cells.h"

enum { MOST_DIGITS = 19 }; /* of what 64 bits hold */

static const double POWERS_OF_TEN[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

typedef struct decimal {
    uint64_t digits;
    int64_t exponent; /* of ten */
    int negative;
} decimal;

RF_INLINE int is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

RF_INLINE void trim(const uint8_t **text, int64_t *length)
{
    while (*length > 0 && **text == ' ')
        ++*text, --*length;
    while (*length > 0 && (*text)[*length - 1] == ' ')
        --*length;
}

RF_INLINE int take_sign(const uint8_t **at, const uint8_t *stop)
{
    int negative = *at < stop && **at == '-';
    if (*at < stop && (**at == '-' || **at == '+'))
        ++*at;
    return negative;
}

/* Digits on top of those before; *n counts what matters of them, without zeros in front. */
RF_INLINE void take_digits(const uint8_t **at, const uint8_t *stop, uint64_t *digits, int64_t *n)
{
    for (; *at < stop && is_digit(**at); ++*at) {
        *n += *n > 0 || **at != '0';
        if (*n <= MOST_DIGITS)
            *digits = *digits * 10 + (uint64_t)(**at - '0');
    }
}

/* An integer of 64 bits; 0 of blanks. */
static int read_integer(const uint8_t *text, int64_t length, int64_t *value)
{
    const uint8_t *at = text, *stop = text + length;
    uint64_t digits = 0;
    int64_t n = 0;
    int negative = take_sign(&at, stop);
    const uint8_t *begin = at;
    take_digits(&at, stop, &digits, &n);
    if (at != stop || at == begin || n > MOST_DIGITS || digits > (uint64_t)INT64_MAX)
        return 0; /* the least of all integers too */
    *value = negative ? -(int64_t)digits : (int64_t)digits;
    return 1;
}

/* [sign] digits [. digits] [E or D, or a sign, and digits] */
static int read_decimal(const uint8_t *text, int64_t length, int64_t decimals, decimal *number)
{
    const uint8_t *at = text, *stop = text + length, *begin;
    int64_t n = 0, power = 0;
    number->digits = 0;
    number->negative = take_sign(&at, stop);
    begin = at;
    take_digits(&at, stop, &number->digits, &n);
    int64_t ndigits = at - begin;
    number->exponent = -decimals;
    if (at < stop && *at == '.') {
        begin = ++at;
        take_digits(&at, stop, &number->digits, &n);
        ndigits += at - begin;
        number->exponent = -(int64_t)(at - begin);
    }
    if (ndigits == 0 || n > MOST_DIGITS)
        return 0;
    if (at < stop) {
        int letter = *at == 'E' || *at == 'D' || *at == 'e' || *at == 'd';
        at += letter;
        if (at == stop || (!letter && *at != '+' && *at != '-'))
            return 0;
        int negative = take_sign(&at, stop);
        begin = at;
        for (; at < stop && is_digit(*at) && power < 100000; at++)
            power = power * 10 + (*at - '0');
        if (at != stop || at == begin)
            return 0;
        number->exponent += negative ? -power : power;
    }
    return 1;
}

RF_INLINE uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
    *high = a1 * b1 + (middle >> 32) + (other >> 32);
    return other << 32 | (uint32_t)low;
#endif
}

RF_INLINE int leading_zeros(uint64_t x)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_clzll(x);
#else
    int n = 0;
    for (; !(x >> 63); x <<= 1)
        n++;
    return n;
#endif
}

/* Bits of the nearest number with so many bits of mantissa, the highest of them not written; 0 if it is not certain, or
 * not a normal number. bias is that of its exponent. digits is not 0. */
static uint64_t nearest(uint64_t digits, int64_t exponent, const uint64_t *powers, int mantissa_bits, int bias)
{
    if (exponent < RF_LEAST_POWER || exponent >= RF_LEAST_POWER + RF_NPOWERS)
        return 0;
    const uint64_t *power = powers + 2 * (exponent - RF_LEAST_POWER);
    int zeros = leading_zeros(digits);
    uint64_t high, low, more, carry;
    digits <<= zeros;
    low = multiply(digits, power[0], &high);
    /* The lower half of the power matters only where the bits below those that are kept could all be carried into. */
    if ((high & (UINT64_MAX >> (mantissa_bits + 3))) == UINT64_MAX >> (mantissa_bits + 3)) {
        multiply(digits, power[1], &more);
        carry = low;
        low += more;
        high += low < carry;
    }
    if (low == UINT64_MAX)
        return 0;
    int top = (int)(high >> 63), shift = top + 64 - mantissa_bits - 3;
    uint64_t mantissa = high >> shift;
    /* In the middle between two, or too near to it to tell: then the bit below the last is the only one. */
    if (low <= 1 && (mantissa & 1) && mantissa << shift == high)
        return 0;
    mantissa = (mantissa + 1) >> 1; /* no tie is left, so that half rounds up */
    /* floor(log2(10) * exponent), for these exponents */
    int64_t binary = (217706 * exponent >> 16) + 63 + top - zeros + bias;
    if (mantissa >> (mantissa_bits + 1)) {
        mantissa >>= 1;
        binary++;
    }
    if (binary <= 0 || binary >= 2 * bias + 1)
        return 0;
    return (uint64_t)binary << mantissa_bits | (mantissa & (((uint64_t)1 << mantissa_bits) - 1));
}

static int read_double(const decimal *number, const uint64_t *powers, double *value)
{
    int64_t exponent = number->exponent;
    if (number->digits == 0)
        *value = 0.0;
    else if (number->digits <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
        /* Both are exact, so the one operation rounds once. */
        double whole = (double)number->digits;
        *value = exponent < 0 ? whole / POWERS_OF_TEN[-exponent] : whole * POWERS_OF_TEN[exponent];
    } else {
        uint64_t bits = nearest(number->digits, exponent, powers, 52, 1023);
        if (bits == 0)
            return 0;
        memcpy(value, &bits, 8);
    }
    if (number->negative)
        *value = -*value;
    return 1;
}

static int read_float(const decimal *number, const uint64_t *powers, float *value)
{
    int64_t exponent = number->exponent;
    if (number->digits == 0)
        *value = 0.0f;
    else if (number->digits <= 1u << 24 && exponent >= -10 && exponent <= 10) {
        float whole = (float)number->digits;
        *value = exponent < 0 ? whole / (float)POWERS_OF_TEN[-exponent] : whole * (float)POWERS_OF_TEN[exponent];
    } else {
        uint32_t bits = (uint32_t)nearest(number->digits, exponent, powers, 23, 127);
        if (bits == 0)
            return 0;
        memcpy(value, &bits, 4);
    }
    if (number->negative)
        *value = -*value;
    return 1;
}

RF_INLINE int is_null(const rf_field *field, const uint8_t *text, int64_t length)
{
    return field->text && length == field->text_nbytes && memcmp(text, field->text, (size_t)length) == 0;
}

/* Put the number of one field in place; 0 if it cannot be read. */
static int put_number(const rf_field *field, const uint8_t *text, int64_t length, const uint64_t *powers, uint8_t *to)
{
    int64_t integer = 0;
    decimal number = {0, 0, 0};
    int absent = length == 0 || is_null(field, text, length);
    if (field->kind == RF_INTEGER) {
        if (!absent && !read_integer(text, length, &integer))
            return 0;
        rf_store_i64(to, integer);
        return 1;
    }
    if (!absent && !read_decimal(text, length, field->decimals, &number))
        return 0;
    if (field->kind == RF_REAL_32) {
        float value;
        if (!read_float(&number, powers, &value))
            return 0;
        rf_store_f32(to, value);
    } else {
        double value;
        if (!read_double(&number, powers, &value))
            return 0;
        rf_store_f64(to, value);
    }
    return 1;
}

void rf_decode_numbers(rf_field *field, const rf_walk *walk, const uint64_t *powers)
{
    RF_EACH_CELL(walk, {
        const uint8_t *text = from;
        int64_t length = field->size;
        trim(&text, &length);
        if (field->kind == RF_NULL_TEXT)
            *to = (uint8_t)is_null(field, text, length);
        else if (!put_number(field, text, length, powers, to))
            field->left[field->nleft++] = walk->row + i;
    });
}
