//! Writes every target's seeds into its corpus, where libFuzzer looks for them.

fn main() -> std::io::Result<()> {
    for target in edge_fuzz::TARGETS {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        std::fs::create_dir_all(&directory)?;
        for (number, seed) in target.seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
