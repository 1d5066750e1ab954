/* What the harnesses of all plugins share: random numbers, rooms of exactly their size, and the loop over rounds.
 *
 * A harness is one source, plugins/NAME/tests/c/sanitize.c. It defines NAME, includes this header, which has `main`, and
 * defines the three functions below. Its arguments are SEED, SECONDS and, to do one round over again, ROUND. Every round
 * has random numbers of its own, made from the seed and its number, so that it can be repeated alone.
 *
 * plugins/NAME/tests/c/guided.c is a target for libFuzzer. It defines RF_GUIDED too, and one function, which is called
 * with each input that the fuzzer makes up: numbers are taken from it, then 0, and what is left are bytes for kernels.
 * Inputs that reach code which none has reached are kept. So that many are tried, one makes a few small tiles alone. */
#ifndef RF_HARNESS_H
#define RF_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef RF_GUIDED
static void one_input(void);
#else
static void fixed_cases(void); /* what once went wrong; every run begins with it, as round -1 */
static void one_round(void);   /* a random case */
static void say_kernels(void); /* print which kernels were run, and a newline */
#endif

/* -- random numbers -- */

#ifdef RF_GUIDED
static const uint8_t *input; /* what is left of it */
static size_t input_nbytes;

/* A number of so many bytes of the input; 0 at its end. */
static uint64_t take(size_t nbytes)
{
    uint64_t value = 0;
    if (input_nbytes < nbytes)
        return 0;
    memcpy(&value, input, nbytes);
    input += nbytes;
    input_nbytes -= nbytes;
    return value;
}

static inline uint64_t next64(void)
{
    return take(8);
}

/* A number from 0 on; 0 if below is 0. It takes few bytes, so that a change of one of them changes little else. */
static inline uint32_t next(uint32_t below)
{
    return below ? (uint32_t)(take(below <= 0x100 ? 1 : below <= 0x10000 ? 2 : 4) % below) : 0;
}
#else
static uint64_t seed, state;
static int64_t number; /* of the round; -1 during the fixed cases */

/* Splitmix64 (Steele, Lea and Flood, 2014): neighbouring seeds give numbers that have nothing in common. */
static uint64_t next64(void)
{
    uint64_t mixed = state += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
}

/* A number from 0 on; 0 if below is 0. */
static inline uint32_t next(uint32_t below)
{
    return (uint32_t)((next64() >> 32) * below >> 32);
}
#endif

/* A length, a start or a row that no honest caller gives. */
static inline int64_t next_extreme(void)
{
    static const int64_t all[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_MAX / 8, INT64_MIN / 8, INT32_MAX, INT32_MIN,
                                  (int64_t)1 << 32, (int64_t)1 << 61, (int64_t)1 << 62};
    uint32_t kind = next(3);
    int64_t chosen = all[next(sizeof all / sizeof *all)];
    return kind == 0 ? (int64_t)next64() : kind == 1 ? chosen : (int64_t)((uint64_t)chosen + next(5) - 2);
}

/* -- faults -- */

#ifdef RF_GUIDED
static _Noreturn void fail(const char *fault)
{
    fprintf(stderr, "%s: %s\n", NAME, fault);
    abort(); /* for the fuzzer keeps the input of that alone */
}
#else
static void say_round(void)
{
    fprintf(stderr, "%s: seed %llu, round %lld\n", NAME, (unsigned long long)seed, (long long)number);
}

static _Noreturn void fail(const char *fault)
{
    fprintf(stderr, "%s: %s\n", NAME, fault);
    say_round();
    exit(1);
}
#endif

#if defined(__SANITIZE_ADDRESS__)
#define RF_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RF_SANITIZED 1
#endif
#endif
#ifdef RF_SANITIZED
void __sanitizer_set_death_callback(void (*callback)(void));

/* The first fault ends the program. That it could go on makes compilers a third faster than if it could not. Kernels
 * allocate nothing that could leak, and leaks cannot be looked for where a debugger may not attach. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

/* -- rooms -- */

/* Memory of exactly the size asked for, of one of three kinds. The sanitizers watch what C code reads and writes around
 * memory of the heap. They do not see what some vector instructions and assembly do; those meet a page that may not be
 * touched, right behind the room or right before it. */
enum { ON_HEAP, PAGE_BEHIND, PAGE_BEFORE, NKINDS, MOST_ROOMS = 512 };

static struct {
    void *whole;
    size_t nbytes; /* 0 on the heap */
} rooms[MOST_ROOMS];
static int nrooms;

/* Room of some kind, for elements whose size the number of bytes is a multiple of. Of no bytes it is often NULL, as the
 * bindings give it for arrays of nothing. */
static void *room_of(int64_t nbytes, uint32_t kind)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded = ((size_t)nbytes + page - 1) / page * page;
    if (nrooms == MOST_ROOMS)
        fail("too many rooms in one round");
    if (nbytes == 0 && next(2))
        return NULL;
    if (kind == ON_HEAP) {
        uint8_t *heap = malloc((size_t)nbytes);
        if (!heap)
            fail("no memory");
        rooms[nrooms].whole = heap;
        rooms[nrooms++].nbytes = 0;
        return heap;
    }
    uint8_t *whole = mmap(NULL, rounded + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (whole == MAP_FAILED || mprotect(kind == PAGE_BEFORE ? whole : whole + rounded, page, PROT_NONE))
        fail("no memory");
    rooms[nrooms].whole = whole;
    rooms[nrooms++].nbytes = rounded + page;
    return kind == PAGE_BEFORE ? whole + page : whole + rounded - nbytes;
}

static inline void *room(int64_t nbytes)
{
#ifdef RF_GUIDED
    return room_of(nbytes, ON_HEAP); /* pages of its own take as long as all else */
#else
    return room_of(nbytes, next(NKINDS));
#endif
}

static inline void *copy_of(const void *from, int64_t nbytes)
{
    void *to = room(nbytes);
    if (nbytes)
        memcpy(to, from, (size_t)nbytes);
    return to;
}

static void release_rooms(void)
{
    while (nrooms) {
        nrooms--;
        if (rooms[nrooms].nbytes)
            munmap(rooms[nrooms].whole, rooms[nrooms].nbytes);
        else
            free(rooms[nrooms].whole);
    }
}

/* Whether so many bytes are the same, from some byte on of each; of no bytes there need be no address. */
static inline int same_at(const void *one, int64_t one_at, const void *other, int64_t other_at, int64_t nbytes)
{
    return nbytes == 0 ||
           memcmp((const uint8_t *)one + one_at, (const uint8_t *)other + other_at, (size_t)nbytes) == 0;
}

static inline int same(const void *one, const void *other, int64_t nbytes)
{
    return same_at(one, 0, other, 0, nbytes);
}

/* -- damage -- */

/* Change some of the bytes, in one of the ways in which streams are damaged; often in none. */
static inline void damage(uint8_t *data, int64_t nbytes)
{
    uint32_t kind = nbytes ? next(8) : 0, n = (uint32_t)nbytes;
    uint32_t from = next(n), count = next(n - from + 1), most = 1 + next(4);
    for (uint32_t k = 0; kind == 1 && k < most; k++)
        data[next(n)] = (uint8_t)next(256);
    for (uint32_t k = 0; kind == 2 && k < most; k++)
        data[next(n)] ^= (uint8_t)(1 << next(8));
    if (kind == 3 || kind == 4)
        memset(data + from, kind == 3 ? 0 : 0xFF, count);
    for (uint32_t k = 0; kind == 5 && k < count; k++)
        data[from + k] = (uint8_t)next64();
    for (uint32_t k = 0; kind == 6 && k < n; k++)
        data[k] = (uint8_t)(next(30) ? 0 : next(256));
    if (kind == 7)
        memmove(data + from, data + next(n - count + 1), count);
}

#ifdef RF_GUIDED
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    input = data;
    input_nbytes = nbytes;
    one_input();
    release_rooms();
    return 0;
}
#else

/* -- rounds -- */

static void do_round(int64_t round)
{
    number = round;
    state = seed ^ (uint64_t)round * 0xD1342543DE82EF95u;
    if (round < 0)
        fixed_cases();
    else
        one_round();
    release_rooms();
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s SEED SECONDS [ROUND]\n", argv[0]);
        return 2;
    }
#ifdef RF_SANITIZED
    __sanitizer_set_death_callback(say_round);
#endif
    seed = strtoull(argv[1], NULL, 10);
    double stop = now() + strtod(argv[2], NULL);
    int64_t nrounds = 0;
    if (argc > 3) {
        do_round(strtoll(argv[3], NULL, 10));
        nrounds = 1;
    } else {
        do_round(-1);
        do
            do_round(nrounds++);
        while (now() < stop);
    }
    printf("%lld rounds, ", (long long)nrounds);
    say_kernels();
    return 0;
}
#endif /* RF_GUIDED */

#endif
