//! Words of a column as numbers of a dictionary, on their way into a file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Builder, StringArray};

/// Words met lately: few are met again and again, so that most need no hash.
const LATELY: usize = 16;

/// Collects words.
#[derive(Debug, Default)]
pub(super) struct WordBuilder {
    numbers: Int32Builder,
    words: Vec<Box<str>>,
    known: HashMap<Box<str>, i32>,
    lately: [usize; LATELY],
}

impl WordBuilder {
    pub(super) fn push(&mut self, word: &str) {
        let last = word.as_bytes().last().copied().unwrap_or(0);
        let slot = (usize::from(last) + word.len()) % LATELY;
        let met = self.lately.get(slot).copied().unwrap_or(0);
        if self.words.get(met).is_some_and(|known| **known == *word) {
            self.numbers.append_value(i32::try_from(met).unwrap_or(i32::MAX));
            return;
        }
        let number = match self.known.get(word) {
            Some(&number) => number,
            None => self.learn(word),
        };
        self.numbers.append_value(number);
        if let (Some(met), Ok(number)) = (self.lately.get_mut(slot), usize::try_from(number)) {
            *met = number;
        }
    }

    fn learn(&mut self, word: &str) -> i32 {
        // A batch has far fewer records than there are numbers.
        let number = i32::try_from(self.words.len()).unwrap_or(i32::MAX);
        self.words.push(word.into());
        self.known.insert(word.into(), number);
        number
    }

    pub(super) fn push_null(&mut self) {
        self.numbers.append_null();
    }

    /// The words so far; none are left here.
    pub(super) fn finish(&mut self) -> ArrayRef {
        let Self { mut numbers, words, .. } = std::mem::take(self);
        let words = StringArray::from_iter_values(words);
        Arc::new(DictionaryArray::new(numbers.finish(), Arc::new(words)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::WordBuilder;

    proptest! {
        #[test]
        fn words_come_back(words in proptest::collection::vec(proptest::option::of("[ab]{0,3}"), 0..120)) {
            let mut built = WordBuilder::default();
            for word in &words {
                match word {
                    Some(word) => built.push(word),
                    None => built.push_null(),
                }
            }
            let column = built.finish();
            let column = column.as_dictionary::<Int32Type>();
            let back = column.downcast_dict::<arrow::array::StringArray>().unwrap().into_iter();
            let back: Vec<Option<String>> = back.map(|word| word.map(str::to_owned)).collect();
            prop_assert_eq!(&back, &words);
            let different: std::collections::BTreeSet<_> = words.iter().flatten().collect();
            prop_assert_eq!(column.values().len(), different.len());
            prop_assert_eq!(built.finish().len(), 0);
        }
    }
}
