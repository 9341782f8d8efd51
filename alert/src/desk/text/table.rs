//! The words as one value for each language: a word without its other language does not compile.

macro_rules! texts {
    ($($key:ident: $zh:expr, $en:expr;)+) => {
        /// The words, by name.
        #[derive(Debug)]
        pub(crate) struct Texts { $(pub(crate) $key: &'static str,)+ }
        static ZH: Texts = Texts { $($key: $zh,)+ };
        static EN: Texts = Texts { $($key: $en,)+ };
        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($key), $zh, $en),)+];
    };
}
