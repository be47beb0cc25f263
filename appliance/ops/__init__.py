"""Operations: health, logs, figures, doctor, fsck, export."""
