-- Appends usage to a stream, if it still belongs to who asks.
-- KEYS: what is known of the stream, the stream
-- ARGV: the owner, the greatest number that it has heard of, the usages
-- Returns the number of the first usage, or 0 if the stream is another one's by now, or gone.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
-- A Redis that has lost its last writes gives no number twice: what is done goes by its number.
if tonumber(redis.call('HGET', KEYS[1], 'last') or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'last', ARGV[2])
end
local n = redis.call('HINCRBY', KEYS[1], 'last', #ARGV - 2)
local first = n - #ARGV + 3
for i = 3, #ARGV do
  redis.call('XADD', KEYS[2], string.format('%.0f-0', first + i - 3), 'u', ARGV[i])
end
return first
