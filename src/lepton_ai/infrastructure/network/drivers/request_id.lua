-- The request id: one that came and is sane is kept; anything else is replaced, so that it can stand in a log line.
local started = string.format("%x", os.time())
local count = 0

function envoy_on_request(request)
  local headers = request:headers()
  local id = headers:get("x-request-id")
  if headers:getNumValues("x-request-id") == 1 and #id <= 128 and id:find("^[%w%.:_%-]+$") then
    return
  end
  count = count + 1
  headers:replace("x-request-id", "gw-" .. started .. "-" .. string.format("%x", count))
end
