-- Appends usage to a stream, if it still belongs to who asks.
-- KEYS: what is known of the stream, the stream
-- ARGV: the owner, the usages
-- Returns the number of the first usage, or 0 if the stream is another one's by now, or gone.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
local n = redis.call('HINCRBY', KEYS[1], 'last', #ARGV - 1)
local first = n - #ARGV + 2
for i = 2, #ARGV do
  redis.call('XADD', KEYS[2], string.format('%.0f-0', first + i - 2), 'u', ARGV[i])
end
return first
