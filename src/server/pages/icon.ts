/**
 * The icon of the host in browsers: `/favicon.ico`, a PNG of 32 × 32 pixels in four colours in an ICO file, 189 bytes.
 */
const LINES = [
  'AAABAAEAICAAAAEAIACnAAAAFgAAAIlQTkcNChoKAAAADUlIRFIAAAAgAAAAIAIDAAAADhSSZwAAAAlQTFRFAAAAM2bM////K9pp',
  'ggAAAAF0Uk5TAEDm2GYAAABMSURBVHjaY2BgDQWCAAYGxlAwcIAIgIREIYwQLIxQKAAyspYiGEuhjKhV6IysVVPRGJhq4NqxmIzO',
  'WLVqFdEMqFPxeAfuZXggwIIFAHXGXeJLN+eYAAAAAElFTkSuQmCC',
];

export const ICON: Buffer = Buffer.from(LINES.join(''), 'base64');
