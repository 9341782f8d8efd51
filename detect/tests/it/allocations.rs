//! The steady state takes no memory: an entry of which nothing is said allocates nothing, once the outlets are known.

use allocation_counter::measure;
use plume_detect::Out;
use plume_detect::synthetic::Stream;

use crate::cases::engine;
use crate::script;

/// Minutes until everything that is remembered is as large as it gets: repeats are known for two hours.
const WARM_MIN: usize = 150;

#[test]
fn an_entry_of_which_nothing_is_said_allocates_nothing() {
    let mut stream = Stream::new(30, 3, script::time("00:00"), 11);
    let mut engine = engine();
    let (mut out, mut entries) = (Out::default(), vec![stream.first()]);
    let (mut silent, mut saying, mut allocated) = (0_u32, 0_u32, Vec::new());
    for minute in 0..WARM_MIN + 60 {
        stream.next_minute(&mut entries);
        for entry in entries.drain(..) {
            let taken = measure(|| engine.step(&entry, &mut out));
            if minute >= WARM_MIN {
                let said = !out.judgements.is_empty();
                saying += u32::from(said);
                silent += u32::from(!said);
                if !said && taken.count_total > 0 {
                    allocated.push((entry.at.offset, taken.count_total, taken.bytes_total));
                }
            }
            out.clear();
        }
    }
    println!("{silent} entries said nothing, {saying} said something; (offset, allocations, bytes): {allocated:?}");
    assert!(silent > 1_500 && saying > 0);
    assert!(
        allocated.is_empty(),
        "{} entries allocated: {allocated:?}",
        allocated.len()
    );
}
