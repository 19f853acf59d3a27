// Fluent Commerce's own client, @fluentcommerce/fc-connect-sdk, unchanged, against a server of ours:
// node fluent_sdk.mjs FOLDER_OF_THE_PACKAGE URL CLIENT_ID KEY. What it says is compared by the test.
// The package has no method for returns; they are called through the request method that all its
// own calls go through, with its login, its renewal on 401 and its repeats.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const [folder, baseUrl, clientId, key] = process.argv.slice(2);
const { FluentClient } = await import(pathToFileURL(join(folder, 'dist/esm/index.js')));
const { OAuth2AuthProvider } = await import(
    pathToFileURL(join(folder, 'dist/esm/auth/auth-provider.js')));

const quick = { baseRetryDelayMs: 100, maxRetryDelayMs: 1000, maxAuthRetryDelayMs: 500 };
const client = new FluentClient(
    { baseUrl, clientId, clientSecret: key, retailerId: clientId, retryConfig: quick });

const made = await client.request('/api/v4.1/return', {
    method: 'POST',
    body: { returnRef: 'RET-1', orderRef: '1001', retailerId: clientId, type: 'CUSTOMER_RETURN' },
});
console.log(`client_credentials: POST return ${made.status} id=${made.data.id}`);
const shown = await client.request('/api/v4.1/return/RET-1');
console.log(`GET return ${shown.status} ${shown.data.type} ${shown.data.orderRef}`);

const path = '/api/v4.1/return/RET-1/transaction';
const body = {
    transactionRef: '123', transactionType: 'REFUND', amount: 59.9, currency: 'AUD',
    paymentProvider: 'PAYPAL', paymentMethod: 'PAYPAL', cardType: null, transactionCode: 2344,
    transactionNote: 'Huge Transaction',
};
const first = await client.request(path, { method: 'POST', body });
console.log(`POST transaction ${first.status} id=${first.data.id}`);
const again = await client.request(path, { method: 'POST', body });
const same = again.data.id === first.data.id ? 'the same id' : 'ANOTHER ID';
console.log(`POST transaction again ${again.status} ${same}`);
const one = await client.request(`${path}/${first.data.id}`);
const { transactionType, amount, currency, status, transactionCode } = one.data;
console.log(
    `GET transaction ${one.status} ${transactionType} ${amount} ${currency} ${status} ${transactionCode}`);
const updated = await client.request(`${path}/${first.data.id}`, {
    method: 'PUT', body: { transactionNote: 'from the client', status: 'APPROVED' },
});
console.log(`PUT transaction ${updated.status} id=${updated.data.id}`);
const list = await client.request(`${path}?start=1&count=10`);
const note = JSON.stringify(list.data.transactions[0].transactionNote);
console.log(
    `GET transactions ${list.status} total=${list.data.total} count=${list.data.count} note=${note}`);

async function refused(what, call) {
    try {
        await call();
        console.log(`${what}: NOT REFUSED`);
    } catch (error) {
        const said = JSON.parse(error.response ?? error.details?.response ?? '{}');
        const why = said.error?.[0]?.message?.split(':')[0] ?? said.error;
        console.log(`${what}: ${error.name} ${error.statusCode ?? error.code} ${why}`);
    }
}
await refused('over-refund', () => client.request(path, {
    method: 'POST', body: { ...body, transactionRef: '124', amount: 1000 },
}));
await refused('no such transaction', () => client.request(`${path}/1`));

// A token that is none any more: the client gets 401, logs in anew and repeats the call.
client.accessToken = 'gone';
console.log(`renewed after 401: ${(await client.request(path)).status}`);

const user = new FluentClient({
    baseUrl, clientId, clientSecret: key, username: 'anybody', password: key, retryConfig: quick });
const before = await user.request(path);
const refresh = user.refreshToken;
user.accessToken = 'gone';
const after = await user.request(path);
const rotated = user.refreshToken && user.refreshToken !== refresh;
console.log(`password: GET transactions ${before.status}, then a renewal by refresh token: `
    + (rotated ? after.status : 'NOT ROTATED'));
// Used once already: refused, and the client logs in with its password instead.
user.refreshToken = refresh;
user.accessToken = 'gone';
console.log(`used refresh token: ${(await user.request(path)).status} by a new login`);

// The package's other way in.
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const provider = new OAuth2AuthProvider({
    clientId, clientSecret: key, tokenUrl: `${baseUrl}/oauth/token`, username: 'anybody',
    password: key, scopes: ['api'],
}, silent);
const token = await provider.getValidToken();
const next = await provider.refresh(token);
const answer = await fetch(`${baseUrl}${path}`, {
    headers: { Authorization: `${next.tokenType} ${next.accessToken}` },
});
const refreshed = next.refreshToken !== token.refreshToken ? 'refreshed' : 'NOT REFRESHED';
console.log(`OAuth2AuthProvider: ${token.tokenType}, ${token.scope}, ${refreshed}, ${answer.status}`);

const wrong = new FluentClient({
    baseUrl, clientId, clientSecret: 'rfk_wrong_wrong_wrong', retryConfig: { ...quick, maxRetries: 0 } });
await refused('wrong key', () => wrong.request(path));
