-- Tells that a replica lives, and whether news of changes arrive there, and learns what concerns all.
-- KEYS: what all is stale before, when each replica was heard of, since when each has news
-- ARGV: now ('' for Redis' own), the replica, '1' if news arrive there, '1' if only now they do,
--       after how many ms without a word it is dead, how long to remember what is stale in ms,
--       '1' if all is stale from now on, the channel
-- Returns now, what all is stale before, since when news arrive somewhere without a gap (0: they don't),
-- and how many replicas there are.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end

if ARGV[7] == '1' then
  redis.call('SET', KEYS[1], text(now), 'PX', ARGV[6])
  redis.call('PUBLISH', ARGV[8], 'a' .. text(now) .. ' ' .. ARGV[2])
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now - ARGV[5] * 1000))) do
  redis.call('ZREM', KEYS[2], dead)
  redis.call('ZREM', KEYS[3], dead)
end
redis.call('ZADD', KEYS[2], text(now), ARGV[2])
if ARGV[3] ~= '1' or ARGV[4] == '1' then
  redis.call('ZREM', KEYS[3], ARGV[2])
end
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[3], 'NX', text(now), ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return {text(now), redis.call('GET', KEYS[1]) or '0', text(tonumber(first[2] or '0')), redis.call('ZCARD', KEYS[2])}
