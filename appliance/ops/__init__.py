"""Operations: what the person with a screwdriver sees. Health, logs, figures, doctor, fsck, export."""
