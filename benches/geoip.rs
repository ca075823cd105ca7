//! The time to read the shipped database into runs.

use criterion::{Criterion, criterion_group, criterion_main};

fn load(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");
    criterion.bench_function("load the shipped database", |bencher| {
        bencher.iter(|| {
            truenorth::geoip::load(&truenorth::disk::Disk::new(), &[path]).expect("the shipped database is sound")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = load
}
criterion_main!(benches);
