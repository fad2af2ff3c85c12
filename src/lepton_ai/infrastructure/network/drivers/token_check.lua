-- The token check in front of every endpoint: closed unless the route's context names the token's SHA-256.
--
-- The context is {<64 hexadecimal digits>: <principal>, …}, and {public: true} besides where no token is needed;
-- {unknown: true} marks the last route, which stands for "no such endpoint". Envoy lets a request pass when a script
-- fails, so everything runs inside pcall and a failure is answered with 500.
local bit = require("bit")
local band, bnot, bor, bxor = bit.band, bit.bnot, bit.bor, bit.bxor
local lshift, rshift, ror, tobit, tohex = bit.lshift, bit.rshift, bit.ror, bit.tobit, bit.tohex

local LONGEST_TOKEN = 512

-- SHA-256 as in FIPS 180-4: section 4.2.2 has these constants, section 5.3.3 the first state.
local ROUND = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
local FIRST_STATE = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

local function schedule(message, offset)
  local words = {}
  for i = 1, 16 do
    local b1, b2, b3, b4 = message:byte(offset + 4 * i - 4, offset + 4 * i - 1)
    words[i] = bor(lshift(b1, 24), lshift(b2, 16), lshift(b3, 8), b4)
  end
  for i = 17, 64 do
    local early, late = words[i - 15], words[i - 2]
    local small0 = bxor(ror(early, 7), ror(early, 18), rshift(early, 3))
    local small1 = bxor(ror(late, 17), ror(late, 19), rshift(late, 10))
    words[i] = tobit(words[i - 16] + small0 + words[i - 7] + small1)
  end
  return words
end

local function compress(state, words)
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local big1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local choice = bxor(band(e, f), band(bnot(e), g))
    local t1 = h + big1 + choice + ROUND[i] + words[i]
    local big0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local majority = bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + big0 + majority)
  end
  for i, value in ipairs({ a, b, c, d, e, f, g, h }) do
    state[i] = tobit(state[i] + value)
  end
end

local function sha256(text)
  local bits = #text * 8
  local length = string.char(band(rshift(bits, 24), 255), band(rshift(bits, 16), 255), band(rshift(bits, 8), 255), band(bits, 255))
  local message = text .. "\128" .. string.rep("\0", (55 - #text) % 64 + 4) .. length
  local state = { unpack(FIRST_STATE) }
  for offset = 1, #message, 64 do
    compress(state, schedule(message, offset))
  end
  local digits = {}
  for i = 1, 8 do
    digits[i] = tohex(state[i])
  end
  return table.concat(digits)
end

local function bearer_token(headers)
  if headers:getNumValues("authorization") ~= 1 then
    return nil
  end
  local scheme, token = headers:get("authorization"):match("^(%a+) ([%w%-%._~%+/]+=*)$")
  if scheme and scheme:lower() == "bearer" and #token <= LONGEST_TOKEN then
    return token
  end
  return nil
end

-- Whether a path means to everybody what it says: a part that is a dot or two (encoded or followed by `;` too), a
-- backslash or an encoded slash may mean another path to whoever reads it next. (CONNECT has no path at all.)
local function is_plain(target)
  local path = (target or "\\"):match("^[^?]*"):lower()
  if path:find("[^!-~]") or path:find("[\\#]") or path:find("%%2f") or path:find("%%5c") or path:find("%%00") then
    return false
  end
  for part in path:gsub("%%2e", "."):gmatch("[^/]+") do
    local name = part:match("^[^;]*"):gsub("%%3b.*$", "")
    if name == "." or name == ".." then
      return false
    end
  end
  return true
end

-- Returns the status to refuse with, or nil to let the request pass.
local function check(request)
  local headers = request:headers()
  headers:remove("x-lepton-principal")
  if not is_plain(headers:get(":path")) then
    headers:replace("x-lepton-refused", "path") -- selects the words of the answer
    return "400"
  end
  local context = request:filterContext()
  if context:get("unknown") == true then
    return "404"
  end
  local token = bearer_token(headers)
  local principal = token and context:get(sha256(token))
  if type(principal) == "string" and principal ~= "" then
    headers:replace("x-lepton-principal", principal)
    headers:remove("authorization")
    return nil
  end
  if context:get("public") == true then
    return nil
  end
  return "401"
end

function envoy_on_request(request)
  local checked, refusal = pcall(check, request)
  if not checked then
    request:logErr("token check failed: " .. tostring(refusal))
    refusal = "500"
  end
  if refusal then
    local headers = { [":status"] = refusal }
    if refusal == "401" then
      headers["www-authenticate"] = "Bearer"
    end
    request:respond(headers, "refused by the token check")
  end
end
