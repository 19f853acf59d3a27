-- For logins by a key of the day, which are checked against the SHA-1 of the secret. Whoever has
-- that can log in, so it is sealed under the master key. By the hash that the key is found by, so
-- that a key that gets another secret needs no second table.
CREATE TABLE key_digests (
    merchant bigint NOT NULL,
    hash     bytea  NOT NULL CHECK (octet_length(hash) = 32),
    sealed   bytea  NOT NULL,
    PRIMARY KEY (merchant, hash)
);

-- Such a login names the key and not the merchant.
CREATE UNIQUE INDEX keys_by_number ON keys (number);
