/*
 * Integer types at every interface of exv6, and the names of things: each kind of name has
 * a type of its own so that a page number is never taken for an address.
 */
#ifndef EXO_TYPES_H
#define EXO_TYPES_H

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

typedef u32 ppn_t; /* physical page number: pa >> 12; 0 names no page */
typedef u64 pa_t;  /* physical byte address */
typedef u64 va_t;  /* virtual byte address */
typedef u32 eid_t; /* environment: index in bits 0-6, generation above; 0 names none */
typedef u64 cap_t; /* capability value; 0 admits only the owner */
#endif

#endif
