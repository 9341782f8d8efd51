//! The order of a batch's rows by the table's key.
//!
//! A key is packed into one number: words by their rank among the batch's words, numbers and times by their distance
//! from the smallest. Sorting those takes a tenth of what comparing the columns takes, and it is what bounds a batch.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;

use crate::ArchiveError;
use crate::merge::{key_converter, key_rows};
use crate::tables::{Spec, Words};

/// Bits of a packed key below those of the columns: the row, so that equal rows keep their order.
const ROW_BITS: u32 = 32;

/// The places of the rows in the order of the table's key; equal ones keep theirs.
pub(crate) fn order(spec: &'static Spec, batch: &RecordBatch) -> Result<UInt32Array, ArchiveError> {
    if let Some(mut keys) = packed(spec, batch) {
        keys.sort_unstable();
        let row = |key: u128| u32::try_from(key & u128::from(u32::MAX)).unwrap_or(u32::MAX);
        return Ok(keys.into_iter().map(row).collect::<Vec<u32>>().into());
    }
    by_columns(spec, batch)
}

/// The same, whatever the columns hold.
fn by_columns(spec: &'static Spec, batch: &RecordBatch) -> Result<UInt32Array, ArchiveError> {
    let keys = key_rows(spec, &key_converter(spec, Words::Numbered)?, batch)?;
    let mut order: Vec<u32> = (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|&a, &b| keys.row(a as usize).cmp(&keys.row(b as usize)));
    Ok(order.into())
}

/// The keys as numbers that compare as the rows do, each with its row; `None` where a key does not fit.
fn packed(spec: &Spec, batch: &RecordBatch) -> Option<Vec<u128>> {
    let mut keys = vec![0_u128; batch.num_rows()];
    let mut free = u128::BITS - ROW_BITS;
    for name in spec.key {
        let ranks = ranks(batch.column_by_name(name)?)?;
        let largest = ranks.iter().copied().max().unwrap_or(0);
        let bits = u64::BITS - largest.leading_zeros();
        free = free.checked_sub(bits)?;
        for (key, rank) in keys.iter_mut().zip(ranks) {
            *key = (*key << bits) | u128::from(rank);
        }
    }
    for (row, key) in (0_u32..).zip(&mut keys) {
        *key = (*key << ROW_BITS) | u128::from(row);
    }
    Some(keys)
}

/// Numbers in the order of a column's values, nothing before everything.
fn ranks(column: &ArrayRef) -> Option<Vec<u64>> {
    match column.data_type() {
        DataType::Dictionary(..) => {
            let column = column.as_dictionary_opt::<Int32Type>()?;
            let words = column.values().as_string_opt::<i32>()?;
            let mut sorted: Vec<usize> = (0..words.len()).collect();
            sorted.sort_unstable_by_key(|&word| words.value(word));
            let mut of_word = vec![0; words.len()];
            for (rank, word) in (1..).zip(sorted) {
                *of_word.get_mut(word)? = rank;
            }
            let rank = |key: Option<i32>| match key {
                Some(key) => of_word.get(usize::try_from(key).ok()?).copied(),
                None => Some(0),
            };
            column.keys().iter().map(rank).collect()
        }
        DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) => {
            let numbers = cast(column, &DataType::Int64).ok()?;
            let numbers = numbers.as_primitive_opt::<Int64Type>()?;
            let smallest = numbers.iter().flatten().min().unwrap_or(0);
            let rank = |number: Option<i64>| match number {
                Some(number) => number.abs_diff(smallest).checked_add(1),
                None => Some(0),
            };
            numbers.iter().map(rank).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Cell, Form, Rows, Table};
    use plume_schemas::time::Time;
    use proptest::prelude::*;

    #[test]
    fn every_key_can_be_packed() {
        for table in Table::ALL {
            let spec = table.spec();
            for name in spec.key {
                let form = spec.columns.iter().find(|column| column.name == *name).unwrap().form;
                assert!(
                    matches!(form, Form::Word | Form::Small | Form::Count | Form::Time),
                    "{} is sorted by {name}, which is {form:?}",
                    spec.name
                );
            }
        }
    }

    /// A row of `readings` by factor, outlet, time and packet.
    type Key = (u8, u8, i64, i64);

    fn batch(keys: &[Key]) -> RecordBatch {
        let spec = Table::Readings.spec();
        let mut rows = Rows::new(spec);
        for &(factor, outlet, time, packet) in keys {
            let (factor, outlet) = (format!("a{factor}"), format!("E:{outlet}"));
            rows.push(spec.columns.iter().map(|column| match column.name {
                "factor" => Cell::Text(&factor),
                "outlet" => Cell::Text(&outlet),
                "measured_at" => Cell::Time(Time(time)),
                "packet" => Cell::Int(packet),
                "backfill" => Cell::Bool(false),
                _ if column.null => Cell::Null,
                _ => Cell::Text("-"),
            }));
        }
        rows.unsorted().unwrap()
    }

    proptest! {
        #[test]
        fn packed_keys_are_in_the_order_of_the_columns(
            keys in proptest::collection::vec((0_u8..4, 0_u8..12, -9_i64..9, 0_i64..5), 0..80),
        ) {
            let (spec, batch) = (Table::Readings.spec(), batch(&keys));
            prop_assert!(packed(spec, &batch).is_some());
            prop_assert_eq!(order(spec, &batch).unwrap(), by_columns(spec, &batch).unwrap());
        }

        #[test]
        fn what_does_not_fit_is_sorted_all_the_same(
            keys in proptest::collection::vec((0_u8..4, 0_u8..12, any::<i64>(), any::<i64>()), 2..40),
        ) {
            let (spec, batch) = (Table::Readings.spec(), batch(&keys));
            prop_assert_eq!(order(spec, &batch).unwrap(), by_columns(spec, &batch).unwrap());
        }
    }
}
