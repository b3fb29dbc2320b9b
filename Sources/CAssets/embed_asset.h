// No include guard: included once for each row of the table in assets.c, with ASSET naming the file.
{
  ASSET,
  (const unsigned char[]){
#embed ASSET if_empty(0)
  },
  sizeof((const unsigned char[]){
#embed ASSET if_empty(0)
  }),
},
#undef ASSET
