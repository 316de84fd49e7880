-- PStates hold values of any type, and keys of any type with an order; deep nesting, ranges removed
CREATE SCHEMA stored;
SET search_path = stored;
SET timezone = 'UTC';
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
CREATE TYPE pt AS (x int, y text);
CREATE TYPE fl AS RANGE (subtype = float8);
CREATE DOMAIN ptd AS pt CHECK ((VALUE).x > 0);
CREATE DOMAIN given AS int NOT NULL;

-- Values
SELECT rama.create_pstate('v', 'map(k: int, struct(a: mood, b: email, c: pt, d: int[], e: varchar(4)[], f: numeric(5,2), g: fl, h: int4multirange, i: bit(3), j: char(4), l: bytea, m: jsonb, n: json, o: inet, p: interval, q: timestamptz(0), r: point, s: tsvector, t: ptd, u: pt[], w: mood[], x: email[], y: time, z: xml))');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum;
SELECT rama.put('v', 1, 'a', 'happy'), rama.put('v',1,'b','a@b'), rama.put('v',1,'c','(1,foo)'), rama.put('v',1,'d','[1,2]'::jsonb), rama.put('v',1,'e','["ab","cd"]'::jsonb);
SELECT rama.put('v',1,'d','{3,4}');
SELECT rama.put('v',1,'d',to_jsonb('{3,4}'::int[])), rama.get('v',1,'d');
SELECT rama.put('v',1,'c','{"x":2,"y":"bar"}'::jsonb), rama.get('v',1,'c');
SELECT rama.put('v',1,'f','1.239'::jsonb), rama.put('v',1,'g','[1,2.5)'), rama.put('v',1,'h','{[1,3)}'), rama.put('v',1,'i','101'), rama.put('v',1,'j','ab'), rama.put('v',1,'l','\x0102'::bytea), rama.put('v',1,'m','{"a":[1]}'), rama.put('v',1,'n','{"z":1, "a":2}'), rama.put('v',1,'o','10.0.0.1'), rama.put('v',1,'p','1 day'), rama.put('v',1,'q','2020-01-01 00:00:00.7+00'), rama.put('v',1,'r','(1,2)'), rama.put('v',1,'s','a b');
SELECT rama.put('v',1,'t','(1,foo)'), rama.put('v',1,'u','[{"x":1},{"x":2,"y":"b"}]'::jsonb), rama.put('v',1,'w','["sad"]'::jsonb), rama.put('v',1,'x','["a@b"]'::jsonb), rama.put('v',1,'y','12:00'), rama.put('v',1,'z','<a/>');
SELECT jsonb_pretty(rama.get('v',1));
SELECT * FROM v \gx
SELECT rama.put('v', 2, rama.get('v',1));
SELECT count(*) FROM (SELECT a,b,c,d,e,f,g,h,i,j,l,m,o,p,q,s,t,u,w,x,y FROM v) x GROUP BY x;
SELECT rama.put('v',1,'b','nope');
SELECT rama.put('v',1,'t','(0,foo)');
SELECT rama.put('v',1,'x','["nope"]'::jsonb);
SELECT rama.put('v',1,'a','angry');
SELECT rama.put('v',1,'e','["toolong"]'::jsonb);
SELECT rama.put('v',1,'f',12345);
SELECT rama.get('v',1,'c','x');
SELECT rama.get('v',1,'d',0);
SELECT rama.select('v','[1,"d",["all"]]');
SELECT rama.select('v','[1,"m","a",["all"]]');
SELECT rama.select('v','[1,"n","a"]');
SELECT rama.select('v','[1,"a",["pred=","happy"]]'), rama.select('v','[1,"a",["pred>","sad"]]');
SELECT rama.transform('v','[1,"m","a",["after-elem"],["term-val",5]]'), rama.transform('v', '[1,"f",["term","+",1]]');
SELECT rama.get('v',1,'m'), rama.get('v',1,'f');
-- Keys
SELECT rama.create_pstate('k1', 'map(m: mood, map(e: email, map(d: date, map(n: numeric(6,2), map(c: char(3), map(p: pt, map(a: int[], int) subindex) subindex) subindex) subindex) subindex) subindex)');
\d k1_a
SELECT rama.put('k1','ok','a@b','2020-01-01',1.5,'ab','(1,x)','{1,2}',7);
SELECT rama.get('k1');
SELECT rama.get('k1','ok','a@b','2020-01-01',1.5,'ab','(1,x)','{1,2}');
SELECT rama.select('k1','["ok","a@b","2020-01-01",1.5,"ab","(1,x)",["all"]]');
SELECT rama.select('k1','["ok","a@b","2020-01-01",1.5,"ab",["map-keys"]]');
SELECT rama.select('k1','["ok","a@b","2020-01-01",1.5,"ab",["key",{"x":1,"y":"x"}],["map-keys"]]');
SELECT rama.select('k1','["ok","a@b","2020-01-01",1.5,"ab",["key",{"x":1,"y":"x"}],["key",[1,2]]]');
SELECT rama.put('k1','ok','a@b','2020-01-01',1.505,'ab','(1,y)','{3}',8);
SELECT rama.put('k1','nope','a@b','2020-01-01',1.505,'ab','(1,y)','{3}',8);
SELECT rama.put('k1','ok','nope','2020-01-01',1.505,'ab','(1,y)','{3}',8);
SELECT * FROM k1_a;
SELECT rama.create_pstate('s', 'map(k: int, set(m: pt) subindex)');
SELECT rama.push('s',1,'(1,a)'), rama.push('s',1,'{"x":2,"y":"b"}'::jsonb);
SELECT rama.get('s',1);
SELECT rama.select('s','[1,["all"]]');
SELECT rama.select('s','[1,["set-elem",{"x":1,"y":"a"}]]');
SELECT rama.remove('s',1,'(1,a)');
SELECT rama.get('s',1);
-- Types without order, and types that need a name in quotes
SELECT rama.create_pstate('bad','map(point, int)');
SELECT rama.create_pstate('bad','map(json, int)');
SELECT rama.create_pstate('vec3','map(k: int, vector(3))');
-- null where a domain has none
SELECT rama.create_pstate('dn','map(k: int, struct(a: given, b: text))');
SELECT rama.put('dn',1,'{"b":"x"}');
SELECT rama.put('dn',1,'{"a":1}');
SELECT rama.put('dn',1,'a',null);
SELECT rama.get('dn');
-- Names of objects are keys again, of whatever type.
SELECT rama.create_pstate('js', 'map(k: int, map(m: mood, map(pt, vector(email))))');
SELECT rama.put('js',1,'sad','(1,x)','["a@b"]');
SELECT rama.put('js',1,'sad','{"x":2,"y":"q"}'::jsonb,'["c@d"]');
SELECT rama.get('js');
SELECT rama.get('js',1,'sad','(1,x)',0);
SELECT rama.select('js','[1,["map-vals"],["all"]]');
SELECT rama.put('js',2,rama.get('js',1));
SELECT rama.get('js',2);
SELECT rama.put('js',1,'sad','{"(5,z)":["e@f"], "{\"x\":6,\"y\":\"w\"}":[]}');
SELECT rama.select('js','[1,"sad",["map-keys"]]');
SELECT rama.remove('js',1,'sad','(5,z)');
SELECT rama.get('js',1);
SELECT rama.create_pstate('jj', 'map(j: jsonb, map(l: jsonb, int))');
SELECT rama.put('jj','"a"','"1"',5), rama.put('jj','"a"','1',6), rama.put('jj','{"x":1}','[1]',7), rama.put('jj', to_jsonb('b'::text), to_jsonb('c'::text), 8);
SELECT rama.get('jj');
SELECT rama.get('jj','"a"'), rama.get('jj','"a"','"1"'), rama.get('jj','"a"','1');
SELECT * FROM jj;
SELECT rama.select('jj','[["key","a"],["map-keys"]]'), rama.select('jj','["a",["submap","1"]]');
SELECT rama.select('jj','["b","c"]');
do $$ begin perform rama.put('jj', rama.get('jj')); end $$;
SELECT rama.get('jj');
SELECT rama.create_pstate('aa', 'map(j: int[], map(l: text[], int))');
SELECT rama.put('aa','{1,2}','{a,"b c"}',1), rama.put('aa','[2:3]={1,2}','[0:0]={q}',1), rama.put('aa', '{}', '{}', 2);
SELECT rama.get('aa');
do $$ begin perform rama.put('aa', rama.get('aa')); end $$;
SELECT rama.get('aa');
SELECT rama.get('aa', '{1,2}', '{a,"b c"}');
SELECT * FROM aa;
SELECT rama.put('aa','{9}','{"{z}":3, "[0:0]={y}":4, "[\"w\"]":5}');
SELECT rama.get('aa','{9}');
-- Eight levels of tables
SELECT rama.create_pstate('deep','map(a:int, map(b:text, map(c:uuid, map(d:date, map(e:int8, map(f:numeric, map(g:timestamptz, map(h: bool, struct(n: bigint, v: vector(x: text) subindex, s: set(y:int) subindex)) subindex) subindex) subindex) subindex) subindex) subindex) subindex)');
SELECT rama.add('deep',1,'x','6f1e0000-0000-0000-0000-000000000001','2020-01-01',5,1.5,'2020-01-01 00:00:00+00',true,'n',3);
SELECT rama.push('deep',1,'x','6f1e0000-0000-0000-0000-000000000001','2020-01-01',5,1.5,'2020-01-01 00:00:00+00',g % 2 = 0,'v','e'||g) FROM generate_series(1,6) g;
SELECT rama.push('deep',1,'x','6f1e0000-0000-0000-0000-000000000001','2020-01-01',5,g,'2020-01-01 00:00:00+00',true,'s',g) FROM generate_series(1,6) g;
SELECT rama.get('deep');
SELECT rama.select('deep','[1,"x","6f1e0000-0000-0000-0000-000000000001","2020-01-01",5,1.5,["map-vals"],["map-vals"],"v",["srange",1,3],["all"]]');
SELECT rama.count('deep',1,'x','6f1e0000-0000-0000-0000-000000000001','2020-01-01',5);
SELECT rama.transform('deep','[1,"x","6f1e0000-0000-0000-0000-000000000001","2020-01-01",5,["sorted-map-range",2,5],["NONE>"]]');
SELECT rama.select('deep','[1,"x","6f1e0000-0000-0000-0000-000000000001","2020-01-01",5,["map-keys"]]');
SELECT count(*) FROM deep_s; 
SELECT rama.transform('deep','[["sorted-map-range-to-end", 1],["NONE>"]]');
SELECT rama.get('deep'), rama.count('deep');
SELECT count(*) FROM deep_v;
SELECT rama.create_pstate('ev','map(k:int, map(t: timestamptz, struct(a: int, w: vector(struct(z: int, q: set(qq: text) subindex)) subindex)) subindex)');
SELECT rama.put('ev',1,('2020-01-01 00:00+00'::timestamptz + g * interval '1 day'),format('{"a":%s,"w":[{"z":1,"q":["a","b"]},{"z":2}]}',g)::jsonb) FROM generate_series(1,10) g;
SELECT rama.transform('ev','[1,["sorted-map-range","2020-01-03T00:00:00Z","2020-01-08T00:00:00Z"],["NONE>"]]');
SELECT rama.select('ev','[1,["map-keys"]]');
SELECT rama.count('ev',1);
SELECT (select count(*) FROM ev_w), (select count(*) from ev_q);

SELECT rama.transform('ev','[1,["map-vals"],"w",["srange",0,1],["NONE>"]]');
SELECT rama.select('ev','[1,["first"]]');
SELECT (select count(*) FROM ev_w), (select count(*) from ev_q);
SELECT rama.transform('ev','[1,["map-vals"],"w",["before-elem"],["term-val",{"z":0,"q":["n"]}]]');
SELECT rama.select('ev','[1,["first"]]');
SELECT rama.select('ev','[1,["map-vals"],"w",["all"],"q",["all"]]');
SELECT rama.transform('ev','[1,["sorted-map-range-from-start",2],["map-vals"],"w",["all"],["selected?",["q",["all"]]],["NONE>"]]');
SELECT rama.get('ev',1);
SELECT rama.transform('ev','[1,["sorted-map-range-to","2020-01-03T00:00:00Z"],["NONE>"]]'), rama.count('ev',1);

-- Entries that are null are there to be removed, in tables and in JSON.
SELECT rama.create_pstate('nulls', 'map(k: text, struct(t: map(a: text, int) subindex, j: map(b: text, int), v: vector(int), u: jsonb))');
SELECT rama.put('nulls', 'x', '{"t": {"a": null}, "j": {"a": null, "b": 1}, "v": [1, null, 3], "u": {"a": null, "v": [null, 1]}}');
SELECT rama.remove('nulls', 'x', 't', 'a'), rama.remove('nulls', 'x', 'j', 'a'), rama.remove('nulls', 'x', 'v', 1), rama.remove('nulls', 'x', 'u', 'a'), rama.remove('nulls', 'x', 'u', 'v', 0);
SELECT rama.remove('nulls', 'x', 't', 'a'), rama.remove('nulls', 'x', 'j', 'a'), rama.remove('nulls', 'x', 'v', 2), rama.remove('nulls', 'x', 'u', 'a'), rama.remove('nulls', 'x', 'u', 'v', 1);
SELECT rama.get('nulls', 'x');

SET client_min_messages = warning;
DROP SCHEMA stored CASCADE;
