-- Finds what is kept at KEYS[3], unless one of its tags was dropped since it was begun. The reply is life and now and, where
-- there is something, how long it is still kept (ms) and the bytes, of which `packed.rs` says what they mean.
local function is_good(value)
  local ok, made_in, since, n, at = pcall(struct.unpack, '>xBc0I8I2', value)
  if not ok or string.byte(value, 1) ~= tonumber(ARGV[2]) then
    return false
  elseif n == 0 then
    return true
  elseif made_in ~= life or since < floor then
    return false
  end
  for i = 0, n - 1 do
    local dropped = redis.call('ZSCORE', KEYS[2], string.sub(value, at + 16 * i, at + 16 * i + 15))
    if dropped and tonumber(dropped) > since then
      return false
    end
  end
  return true
end
local value = redis.pcall('GET', KEYS[3])
if type(value) == 'string' and is_good(value) then
  return { life, now, redis.call('PTTL', KEYS[3]), value }
end
return { life, now }
