-- Accounts, sessions and the audit.

-- name: account
SELECT * FROM account WHERE name = %(name)s

-- name: save_account
INSERT INTO account (name, role, district, substation, checkpoint, password_hash)
VALUES (%(name)s, %(role)s, %(district)s, %(substation)s, %(checkpoint)s, %(password_hash)s)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, district = excluded.district, substation = excluded.substation,
    checkpoint = excluded.checkpoint, password_hash = excluded.password_hash

-- name: open_session
-- Sessions that ran out go with the next one that opens.
WITH expired AS (DELETE FROM session WHERE expires_at <= %(now)s)
INSERT INTO session (token_sha256, account, expires_at) VALUES (%(token)s, %(account)s, %(expires_at)s)

-- name: session
SELECT a.* FROM session s JOIN account a ON a.name = s.account
WHERE s.token_sha256 = %(token)s AND s.expires_at > %(now)s

-- name: close_session
DELETE FROM session WHERE token_sha256 = %(token)s

-- name: add_audit
INSERT INTO audit (at, account, action, subject, reason)
VALUES (%(at)s, %(account)s, %(action)s, %(subject)s, %(reason)s)

-- name: audit
SELECT at, account, action, subject, reason FROM audit WHERE at >= %(since)s ORDER BY at DESC, id DESC LIMIT %(limit)s
