//! Compiles one loop for several instruction sets.
#![allow(unsafe_code)] // calls of functions compiled for CPU features that were detected

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for the baseline, and which calls the best one
/// that the CPU supports. Functions it calls must be `#[inline(always)]` to be compiled for the same instruction set.
macro_rules! for_each_instruction_set {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[allow(clippy::inline_always, reason = "only inlined functions are compiled for the caller's instruction set")]
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,fma")]
                fn avx512($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) $(-> $result)? {
                    body($($argument),*)
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the CPU has the features that the function is compiled for.
                    #[allow(unsafe_code)]
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the CPU has the features that the function is compiled for.
                    #[allow(unsafe_code)]
                    return unsafe { avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    };
}

pub(crate) use for_each_instruction_set;
